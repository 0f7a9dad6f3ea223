"""Reads the forms of a JSON body that people send. Each becomes a list of rows.

    [[5.1, 3.5]]                      rows by position       [5.1, 3.5]   one row
    [{"a": 5.1, "b": 3.5}]            records                {"a": 5.1, "b": 3.5}   one record
    {"data"|"instances"|"inputs": …}  either of these; `inputs` also as {"a": [5.1], "b": [3.5]}
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

from servestack_server.input.problems import invalid, malformed
from servestack_server.input.schema import Row, Schema, TableSchema

Rows = list[Row] | np.ndarray

_KEYS = ("data", "instances", "inputs", "dataframe_records", "dataframe_split")


def read_rows(body: bytes, schema: Schema) -> Rows:
    """Return the rows of a JSON body, checked: tuples for a table, one array for a tensor.

    Raises RequestError: 400 if the body is not JSON, 422 if it does not fit the schema.
    """
    rows = schema.decode_fast(body)
    if rows is None:
        rows = schema.convert(normalised(decode_json(body), schema))
    if not len(rows):
        raise invalid("no_rows", "there are no rows")
    return rows


def read_loose_rows(body: bytes, schema: Schema) -> list[Any]:
    """Return the rows of a JSON body unchecked, for a caller that checks them one by one.

    Raises RequestError: 400 if the body is not JSON, 422 if it holds no rows.
    """
    rows = normalised(decode_json(body), schema)
    if not len(rows):
        raise invalid("no_rows", "there are no rows")
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
    given = [key for key in _KEYS if key in data]
    if not given or _is_record(data, schema):
        if isinstance(schema, TableSchema) and not _is_columnar(data):
            return [data]
        raise invalid(
            "no_rows", f"expected rows, or one of {', '.join(_KEYS)}", field=next(iter(data), "")
        )
    if len(given) > 1:
        raise invalid("ambiguous", f"give only one of {given[0]} and {given[1]}", field=given[1])
    if data.get("params"):
        raise invalid("unknown_field", "params are not supported", field="params")
    key, value = given[0], data[given[0]]
    if key == "dataframe_split":
        return _split(value, schema)
    if isinstance(value, dict):
        if not _is_columnar(value):
            return [value]
        return columnar(value, "the columns differ in length", field="inputs")
    if not isinstance(value, list):
        raise invalid("wrong_type", "expected a list of rows", field=key)
    return _rows(value, schema)


def _is_record(data: dict[str, Any], schema: Schema) -> bool:
    """Whether the body is one record whose columns are called like the keys of the other forms.

    A column's value is neither a list nor an object.
    """
    return (
        isinstance(schema, TableSchema)
        and data.keys() <= schema.positions.keys()
        and not any(isinstance(value, list | dict) for value in data.values())
    )


def _rows(data: list[Any], schema: Schema) -> list[Any]:
    """Wrap a single row of plain values into a list of one row, if the schema's rows are lists."""
    flat = bool(data) and not any(isinstance(row, list | dict) for row in data)
    if flat and (not isinstance(schema, TableSchema) or len(data) == len(schema.names)):
        axes = getattr(getattr(schema, "tensor", None), "shape", (-1, -1))
        return data if len(axes) == 1 else [data]
    return data


def _split(value: Any, schema: Schema) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise invalid(
            "wrong_type", "expected an object with columns and data", field="dataframe_split"
        )
    names = value.get("columns")
    rows: list[Any] = value["data"]
    if names is None or not isinstance(schema, TableSchema) or names == list(schema.names):
        return rows
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid("wrong_type", "expected a list of names", field="dataframe_split.columns")
    if len(set(names)) != len(names):
        raise invalid("ambiguous", "a column is named twice", field="dataframe_split.columns")
    return schema.reorder(names, rows)


def _is_columnar(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(column, list) for column in value.values())


def columnar(value: dict[str, list[Any]], message: str, *, field: str = "") -> list[Any]:
    """Return the records of columns by name.

    Raises RequestError (422) with `message` and `field` if the columns differ in length.
    """
    lengths = {len(column) for column in value.values()}
    if len(lengths) > 1:
        raise invalid("wrong_length", message, field=field)
    names = list(value)
    return [dict(zip(names, row, strict=True)) for row in zip(*value.values(), strict=True)]
