"""Reads the forms of a JSON body that people send. Each becomes a list of rows.

    [[5.1, 3.5]]                      rows by position       [5.1, 3.5]   one row
    [{"a": 5.1, "b": 3.5}]            records                {"a": 5.1, "b": 3.5}   one record
    {"data"|"instances"|"inputs": …}  either of these; `inputs` also as {"a": [5.1], "b": [3.5]}
    {"a": [[5.1, 3.5]], "b": [[1, 0]]}  named tensors: records, or a list of rows for each name
    {"dataframe_split": {"columns": ["a", "b"], "data": [[5.1, 3.5]]}}
    {"dataframe_records": [{"a": 5.1, "b": 3.5}]}

Source of `instances`, `inputs` and the last two: MLflow's scoring protocol
(mlflow/pyfunc/scoring_server of MLflow 3.17).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from servestack_contract.example_tensors import FORMS, SPLIT_KEYS
from servestack_server.input.language_models import LoneBody, is_chat
from servestack_server.input.problems import NoRowsError, invalid, malformed
from servestack_server.input.records import by_name, from_columns, require_distinct
from servestack_server.input.schema import AnySchema, Row, Schema, TableSchema, ValueSchema
from servestack_server.input.tensor_rows import TensorRows
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema

Rows = list[Row] | np.ndarray | TensorRows


Beside = Callable[[Any], None]
"""Gets a decoded body before its rows are read, and may take out what is beside them."""


def read_rows(body: bytes, schema: Schema, beside: Beside | None = None) -> Rows:
    """Return the rows of a JSON body, checked: tuples for a table, one array for a tensor.

    Raises RequestError: 400 if the body is not JSON, 422 if it does not fit the schema. `beside`
    is not called for a list of rows.
    """
    rows: Rows | None = schema.decode_fast(body)
    if rows is None or not len(rows):
        rows = schema.convert(read_loose_rows(body, schema, beside))
    return rows


def read_loose_rows(body: bytes, schema: Schema, beside: Beside | None = None) -> list[Any]:
    """Return the rows of a JSON body unchecked, for a caller that checks them one by one.

    Raises RequestError: 400 if the body is not JSON, 422 if it holds no rows.
    """
    data = decode_json(body)
    if beside is not None:
        beside(data)
    rows = normalised(data, schema)
    if not len(rows):
        raise NoRowsError
    return rows


def decode_json(body: bytes, decode: Callable[[bytes], Any] = msgspec.json.decode) -> Any:
    """Decode any JSON, by default one value. Raises RequestError (400): what is wrong, and where.

    A byte order mark is left out, as RFC 8259, 8.1 allows: editors on Windows write one.
    """
    if not body:
        raise malformed("empty_body", "the body is empty")
    try:
        return decode(body.removeprefix(codecs.BOM_UTF8))
    except UnicodeDecodeError:
        raise malformed("malformed_json", "the body is not UTF-8") from None
    except RecursionError:
        raise malformed("too_deep", "the body is nested too deeply") from None
    except msgspec.MsgspecError as error:
        message = str(error).removeprefix("JSON is malformed: ")
        if b"NaN" in body or b"Infinity" in body:
            message += "; NaN and Infinity are not JSON: send null for a missing value"
        raise malformed("malformed_json", f"the body is not JSON: {message}") from None


def normalised(data: Any, schema: Schema) -> list[Any]:
    """Return the list of rows in a decoded body of any form.

    Raises RequestError (422) if the body has none of the forms.
    """
    if isinstance(data, list):
        return _rows(data, schema)
    if not isinstance(data, dict):
        raise invalid("wrong_type", "expected a list of rows, or an object that holds one")
    given = [key for key in FORMS if key in data]
    if not given or _is_record(data, schema):
        if isinstance(schema, TableSchema) and not schema.is_by_column(data):
            return _record(data, schema)
        if _is_named(data, schema):
            return _records(data, schema)
        message = f"expected rows, or one of {', '.join(FORMS)}"
        if isinstance(schema, AnySchema):
            if is_chat(data):
                return [LoneBody(data)]
            message += "; objects need api.input.columns in the spec, or a signature of the model"
        raise invalid("no_rows", message, field=next(iter(data), ""))
    if len(given) > 1:
        raise invalid("ambiguous", f"give only one of {given[0]} and {given[1]}", field=given[1])
    if data.get("params"):
        raise invalid("unknown_field", "the model takes no params", field="params")
    key, value = given[0], data[given[0]]
    if key == "dataframe_split":
        return _split(value, schema)
    if isinstance(value, dict):
        return _records(value, schema)
    if key == "dataframe_records" and _are_records(value):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, list):
        if isinstance(schema, ValueSchema) and value is not None:
            return schema.rows_in([value])
        raise invalid("wrong_type", "expected a list of rows", field=key)
    return _rows(value, schema)


def _record(data: dict[str, Any], schema: Schema) -> list[Any]:
    return schema.rows_in([data]) if isinstance(schema, ValueSchema) else [data]


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_record(data: dict[str, Any], schema: Schema) -> bool:
    """Whether the body is one record whose columns are called like the keys of the other forms.

    A column's value is neither a list nor an object.
    """
    if isinstance(schema, TensorsSchema):
        return _is_named(data, schema)
    return (
        isinstance(schema, TableSchema)
        and data.keys() <= schema.positions.keys()
        and not any(isinstance(value, list | dict) for value in data.values())
    )


def _rows(data: list[Any], schema: Schema) -> list[Any]:
    """Wrap a single row of plain values into a list of one row, if the schema's rows are lists."""
    if isinstance(schema, TableSchema | AnySchema):
        return schema.rows_in(data)
    flat = bool(data) and not any(isinstance(row, list | dict) for row in data)
    axes = schema.tensor.shape if isinstance(schema, TensorSchema) else (-1, -1)
    if flat and axes[1:] == (1,):
        return [[value] for value in data]
    return [data] if flat and len(axes) > 1 else data


def _split(value: Any, schema: Schema) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise invalid(
            "wrong_type", "expected an object with columns and data", field="dataframe_split"
        )
    if unknown := sorted(value.keys() - SPLIT_KEYS):
        field = f"dataframe_split.{unknown[0]}"
        raise invalid("unknown_field", "expected only columns, data and index", field=field)
    names = value.get("columns")
    rows: list[Any] = value["data"]
    index = value.get("index")
    if isinstance(index, list) and len(index) != len(rows):
        message = f"expected {len(rows)} values, one for each row"
        raise invalid("wrong_length", message, field="dataframe_split.index")
    is_unknown = isinstance(schema, AnySchema) and isinstance(names, list)
    own = [] if isinstance(schema, AnySchema) else list(schema.names)
    if isinstance(schema, TensorSchema):
        return by_name(own, rows) if own and names == own else rows
    if names is None or names == own or not (own or is_unknown):
        return rows
    if is_unknown and not any(isinstance(name, str) for name in names):
        return rows  # pandas numbers columns that have no name
    if isinstance(schema, ValueSchema):  # MLflow, too, takes any name.
        return rows
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid("wrong_type", "expected a list of names", field="dataframe_split.columns")
    require_distinct(names, field="dataframe_split.columns")
    return by_name(names, rows)


def _is_columnar(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(column, list) for column in value.values())


def _is_named(data: dict[str, Any], schema: Schema) -> bool:
    """Whether the keys of a body are names of tensors, and of nothing else."""
    if not isinstance(schema, TensorSchema | TensorsSchema) or not schema.names:
        return False
    return data.keys() == set(schema.names)


def _records(value: dict[str, Any], schema: Schema) -> list[Any]:
    """Return the rows of a mapping by name: the only row, or a list of values for each name."""
    if isinstance(schema, TableSchema):
        by_column = schema.is_by_column(value)
    else:
        is_row = isinstance(schema, TensorSchema | TensorsSchema) and schema.is_row(value)
        by_column = _is_columnar(value) and not is_row
    if by_column:
        return from_columns(value, "the columns differ in length", field="inputs")
    return _record(value, schema)
