"""Turns the tensors of a request into the rows of a model, by what is known of its input.

A table comes as one tensor of shape [rows, columns] if all columns are numbers, or as one tensor of
shape [rows] or [rows, 1] for each column, with the column's name. A model of one tensor takes it
under any name, a model of several by their names.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from servestack_server.api.tensors import as_text
from servestack_server.input.bodies import Rows
from servestack_server.input.problems import invalid
from servestack_server.input.schema import Schema, TableSchema
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema

Arrays = dict[str, np.ndarray]


def rows_of(arrays: Arrays, schema: Schema) -> Rows:
    """Return the rows of tensors, checked. Raises RequestError (422) if they do not fit."""
    if isinstance(schema, TensorsSchema):
        rows: Rows = schema.from_arrays({name: as_text(a, name) for name, a in arrays.items()})
    elif isinstance(schema, TensorSchema):
        rows = _of_tensor(arrays, schema)
    elif isinstance(schema, TableSchema):
        rows = schema.convert(_of_table(arrays, schema))
    else:
        rows = schema.convert(_of_anything(arrays))
    if not len(rows):
        raise invalid("no_rows", "there are no rows")
    return rows


def _of_tensor(arrays: Arrays, schema: TensorSchema) -> np.ndarray:
    shape = schema.tensor.shape
    texts = {name: as_text(array, name) for name, array in arrays.items()}
    if len(arrays) > 1 and len(shape) == 2 and shape[1] in (-1, len(arrays)):
        _require_one_length(arrays)
        return schema.from_array(np.column_stack([_flat(name, a) for name, a in texts.items()]))
    if len(arrays) > 1:
        raise invalid("wrong_shape", "expected one tensor")
    return schema.from_array(next(iter(texts.values())))


def _of_table(arrays: Arrays, schema: TableSchema) -> list[Any]:
    _require_one_length(arrays)
    if schema.ignores_unknown and (known := arrays.keys() & schema.positions.keys()):
        arrays = {name: array for name, array in arrays.items() if name in known}
    if arrays.keys() <= schema.positions.keys():
        columns = {name: _column(array, name, schema) for name, array in arrays.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if len(arrays) > 1:
        unknown = sorted(arrays.keys() - schema.positions.keys())[0]
        raise invalid("unknown_column", f"there is no column {unknown!r}", field=unknown)
    ((given, array),) = arrays.items()
    if len(schema.names) == 1 and schema.is_nested(schema.names[0]):
        return [[value] for value in _nested(array, given)]
    if array.ndim == 1:
        # Values of the only column, or a single row.
        array = array.reshape(-1, 1) if len(schema.names) == 1 else array.reshape(1, -1)
    if array.dtype != object or array.ndim != 2 or array.shape[1] != len(schema.names):
        return _values(array, given)
    by_column = [_column(array[:, at], name, schema) for at, name in enumerate(schema.names)]
    return list(map(list, zip(*by_column, strict=True)))


def _of_anything(arrays: Arrays) -> list[Any]:
    """Return rows of values in the order of the tensors, or those of the only tensor."""
    _require_one_length(arrays)
    if len(arrays) == 1:
        ((name, array),) = arrays.items()
        return _values(array.reshape(-1, 1) if array.ndim == 1 else array, name)
    columns = {name: _values(_flat(name, array), name) for name, array in arrays.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _require_one_length(arrays: Arrays) -> None:
    if len({len(array) for array in arrays.values()}) > 1:
        raise invalid("wrong_shape", "the tensors differ in their first axis")


def _flat(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        raise invalid("wrong_shape", "expected the shape [rows] or [rows, 1]", field=name)
    return array.ravel()


def _column(array: np.ndarray, name: str, schema: TableSchema) -> list[Any]:
    if schema.is_nested(name):
        return _nested(array, name)
    return _values(_flat(name, array), name, is_binary=schema.is_binary(name))


def _nested(array: np.ndarray, name: str) -> list[Any]:
    """Return values that hold other values: lists, or read from texts of JSON."""
    if array.ndim > 1 or array.dtype != object:
        return _values(array, name)
    try:
        return [msgspec.json.decode(text) for text in array]
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        raise invalid("wrong_type", "expected texts of JSON", field=name) from None


def _values(array: np.ndarray, name: str, *, is_binary: bool = False) -> list[Any]:
    """Return plain values, with None for NaN. JSON cannot hold infinity, so a table cannot either.

    Bytes become text, but not in a column of binary values, which takes base64 or bytes.
    """
    if is_binary:
        return array.tolist()  # type: ignore[no-any-return]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        if np.isinf(array).any():
            raise invalid("out_of_range", "a table cannot hold infinity")
        plain = array.astype(object)
        plain[np.isnan(array)] = None
        array = plain
    values: list[Any] = as_text(array, name).tolist()
    return values
