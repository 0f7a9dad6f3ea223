"""The forms of a JSON body that people send, all of them lists of rows in the end.

    [[5.1, 3.5]]                      rows by position       [5.1, 3.5]   one row
    [{"a": 5.1, "b": 3.5}]            records                {"a": 5.1, "b": 3.5}   one record
    {"data"|"instances"|"inputs": …}  either of these; `inputs` also as {"a": [5.1], "b": [3.5]}
    {"dataframe_split": {"columns": ["a", "b"], "data": [[5.1, 3.5]]}}
    {"dataframe_records": [{"a": 5.1, "b": 3.5}]}

Source of the last three: MLflow's scoring protocol (mlflow/pyfunc/scoring_server of MLflow 3.17).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from servestack_server.input.problems import invalid, malformed
from servestack_server.input.schema import Row, Schema, TableSchema

Rows = list[Row] | np.ndarray

_KEYS = ("data", "instances", "inputs", "dataframe_records", "dataframe_split")


def read_rows(body: bytes, schema: Schema) -> Rows:
    """Rows of a JSON body, checked. RequestError 400 for no JSON, 422 for what does not fit."""
    rows = schema.decode_fast(body)
    if rows is None:
        rows = schema.convert(normalised(decode_json(body), schema))
    if not len(rows):
        raise invalid("no_rows", "there are no rows")
    return rows


def read_loose_rows(body: bytes, schema: Schema) -> list[Any]:
    """Rows of a JSON body as they are, unchecked: for checking them one by one."""
    rows = normalised(decode_json(body), schema)
    if not len(rows):
        raise invalid("no_rows", "there are no rows")
    return rows


def decode_json(body: bytes) -> Any:
    """Any JSON. RequestError 400 with what is wrong and where."""
    if not body:
        raise malformed("empty_body", "the body is empty")
    try:
        return msgspec.json.decode(body)
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
    """The list of rows in any of the forms."""
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
        raise invalid("ambiguous", f"give one of {given[0]} and {given[1]}", field=given[1])
    if data.get("params"):
        raise invalid("unknown_field", "params are not supported", field="params")
    key, value = given[0], data[given[0]]
    if key == "dataframe_split":
        return _split(value, schema)
    if isinstance(value, dict):
        return _columnar(value) if _is_columnar(value) else [value]
    if not isinstance(value, list):
        raise invalid("wrong_type", "expected a list of rows", field=key)
    return _rows(value, schema)


def _is_record(data: dict[str, Any], schema: Schema) -> bool:
    """Whether the keys are columns of those names: a column's value is no list and no object."""
    return (
        isinstance(schema, TableSchema)
        and data.keys() <= schema.positions.keys()
        and not any(isinstance(value, list | dict) for value in data.values())
    )


def _rows(data: list[Any], schema: Schema) -> list[Any]:
    """One row of plain values counts as a list of one row, where rows are lists."""
    flat = bool(data) and not any(isinstance(row, list | dict) for row in data)
    if flat and (not isinstance(schema, TableSchema) or len(data) == len(schema.names)):
        axes = getattr(getattr(schema, "tensor", None), "shape", (-1, -1))
        return data if len(axes) == 1 else [data]
    return data


def _split(value: Any, schema: Schema) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise invalid("wrong_type", "expected columns and data", field="dataframe_split")
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


def _columnar(value: dict[str, list[Any]]) -> list[Any]:
    lengths = {len(column) for column in value.values()}
    if len(lengths) > 1:
        raise invalid("wrong_length", "the columns differ in length", field="inputs")
    names = list(value)
    return [dict(zip(names, row, strict=True)) for row in zip(*value.values(), strict=True)]


def read_csv(body: bytes, schema: Schema) -> Rows:
    """Rows of a CSV body with a line of names, as MLflow's protocol has it."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except UnicodeDecodeError:
        raise malformed("malformed_csv", "the body is not UTF-8") from None
    except csv.Error as error:
        raise malformed("malformed_csv", f"the body is not CSV: {error}") from None
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise invalid("no_rows", "expected a line of column names, then rows")
    names, *rows = lines
    if len(set(names)) != len(names):
        raise invalid("ambiguous", "a column is named twice")
    if not isinstance(schema, TableSchema):
        return schema.convert([[_value(cell) for cell in row] for row in rows])
    types = {column.name: column.type for column in schema.columns}
    read = [_CELLS.get(types.get(name, ""), _value) for name in names]
    records = schema.reorder(names, rows)
    values = [
        dict(
            zip(
                names,
                (of(cell) for of, cell in zip(read, record.values(), strict=True)),
                strict=True,
            )
        )
        for record in records
    ]
    return schema.convert(values)


def _value(cell: str) -> Any:
    """A number, a boolean or a text, by its looks; None for an empty cell."""
    if cell == "":
        return None
    try:
        value = json.loads(cell, parse_constant=_constant)
    except (ValueError, RecursionError):
        return cell
    if isinstance(value, float) and not isfinite(value):
        return cell
    return value if isinstance(value, int | float | bool) or value is None else cell


def _constant(name: str) -> None:
    """NaN is pandas's word for a missing value; Infinity is no value of a table."""
    if name != "NaN":
        raise ValueError(name)


def _text(cell: str) -> str | None:
    """As it stands: `1.50` in a column of strings is no number."""
    return cell or None


def _boolean(cell: str) -> Any:
    """pandas writes True, JSON true."""
    return _value(cell.lower() if cell in ("True", "False") else cell)


_CELLS: dict[str, Callable[[str], Any]] = {
    "string": _text, "binary": _text, "datetime": _text, "boolean": _boolean,
}  # fmt: skip
