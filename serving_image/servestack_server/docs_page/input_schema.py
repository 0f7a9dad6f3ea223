"""JSON schemas of the request bodies, from the columns or the tensor of the input."""

from __future__ import annotations

from typing import Any

from servestack_contract.settings import Column, Tensor

Schema = dict[str, Any]

_TYPES: dict[str, Schema] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
    "datetime": {"type": "string", "format": "date-time"},
}


def column_schema(column: Column) -> Schema:
    """Return the schema of one value: type, range and enumeration, and null if it may be missing."""
    schema = dict(_TYPES[column.type])
    # A spec may write the range of whole numbers as 5.0; readers should see 5.
    for bound in ("minimum", "maximum"):
        value = getattr(column, bound)
        if value is not None:
            schema[bound] = int(value) if value == int(value) else value
    if column.enum is not None:
        schema["enum"] = [*column.enum]
    if column.required and not column.nullable:
        return schema
    if "enum" in schema:
        schema["enum"].append(None)
    return schema | {"type": [schema["type"], "null"]}


def row_schema(columns: tuple[Column, ...]) -> Schema:
    """Return the schema of a row by position: a list with one value for each column."""
    return {
        "type": "array",
        "prefixItems": [column_schema(column) | {"title": column.name} for column in columns],
        "minItems": len(columns),
        "maxItems": len(columns),
    }


def record_schema(columns: tuple[Column, ...], *, is_open: bool = False) -> Schema:
    """Return the schema of a row by name: an object with one value for each column.

    `is_open` allows other columns beside them.
    """
    return {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in columns},
        "required": [column.name for column in columns if column.required],
        "additionalProperties": is_open,
    }


def columnar_schema(columns: tuple[Column, ...], *, is_open: bool = False) -> Schema:
    """Return the schema of a table by column: an object with a list of values for each name.

    `is_open` allows other columns beside them.
    """
    return {
        "type": "object",
        "properties": {
            column.name: {"type": "array", "items": column_schema(column)} for column in columns
        },
        "required": [column.name for column in columns if column.required],
        "additionalProperties": is_open,
    }


def tensor_schema(dtype: str, shape: tuple[int, ...]) -> Schema:
    """Return the schema of nested lists of a shape, in which -1 allows any length."""
    schema = scalar_schema(dtype)
    for length in reversed(shape):
        schema = {"type": "array", "items": schema}
        if length >= 0:
            schema |= {"minItems": length, "maxItems": length}
    return schema


def scalar_schema(dtype: str) -> Schema:
    """Return the schema of one value of a numpy dtype or an MLflow column type.

    For a type that is not known the schema allows any value.
    """
    if dtype in _TYPES:
        return dict(_TYPES[dtype])
    if dtype.startswith(("int", "uint")):
        return {"type": "integer"}
    if dtype.startswith("float"):
        return {"type": "number"}
    if dtype.startswith("bool"):
        return {"type": "boolean"}
    if dtype.startswith(("str", "<U", "|S")):
        return {"type": "string"}
    return {}


def body_schemas(
    columns: tuple[Column, ...] | None, tensor: Tensor | None, *, is_open: bool = False
) -> dict[str, Schema]:
    """Return the schemas of a body for `components/schemas`. `Body` is the whole body.

    `is_open` says that columns which the input does not have are ignored.
    """
    if columns:
        return _table_schemas(columns, is_open)
    rows: Schema = {
        "description": "One list of values for each row, or a single row.",
        "type": "array",
        "minItems": 1,
    }
    if tensor is not None and tensor.shape:
        row = tensor.shape[1:]
        batch = tensor_schema(tensor.dtype, (-1, *row)) | {"minItems": 1}
        text = f"An array of {tensor.dtype} of shape {[-1, *row]}, where -1 is any length"
        rows = batch | {"description": f"{text}."}
        if len(row) == 1:
            one = tensor_schema(tensor.dtype, row)
            rows = {"description": f"{text}, or a single row.", "anyOf": [batch, one]}
    reference = {"$ref": "#/components/schemas/Rows"}
    return {"Rows": rows, "Body": {"anyOf": [reference, *_wrapped(reference, reference)]}}


def _table_schemas(columns: tuple[Column, ...], is_open: bool) -> dict[str, Schema]:
    row = {"$ref": "#/components/schemas/Row"}
    record = {"$ref": "#/components/schemas/Record"}
    records = {"type": "array", "minItems": 1, "items": record}
    rows: Schema = {"$ref": "#/components/schemas/Rows"}
    names = [column.name for column in columns]
    split = {
        "type": "object",
        "properties": {
            "columns": {
                "type": "array",
                "items": {"type": "string"} if is_open else {"enum": names},
                "uniqueItems": True,
                "description": "The order of the columns in `data`.",
            },
            "data": {"type": "array", "minItems": 1, "items": {"type": "array"}},
            "index": {"type": "array", "description": "The server ignores it."},
        },
        "required": ["columns", "data"],
    }
    table = {"anyOf": [rows, {"$ref": "#/components/schemas/ColumnLists"}]}
    return {
        "Row": row_schema(columns) | {"description": f"Values in this order: {', '.join(names)}."},
        "Record": record_schema(columns, is_open=is_open),
        "Rows": {
            "description": "Rows by position or records by column name, or a single one of them.",
            "anyOf": [{"type": "array", "minItems": 1, "items": row}, records, row, record],
        },
        "ColumnLists": columnar_schema(columns, is_open=is_open),
        "Body": {
            "anyOf": [
                rows,
                *_wrapped(rows, table),
                _object("dataframe_split", split),
                _object("dataframe_records", records),
            ]
        },
    }


def _wrapped(rows: Schema, inputs: Schema) -> list[Schema]:
    return [_object("data", rows), _object("instances", rows), _object("inputs", inputs)]


def _object(name: str, schema: Schema) -> Schema:
    return {"type": "object", "properties": {name: schema}, "required": [name]}
