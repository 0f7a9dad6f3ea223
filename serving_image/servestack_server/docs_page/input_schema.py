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


def record_schema(columns: tuple[Column, ...]) -> Schema:
    """Return the schema of a row by name: an object with one value for each column."""
    return {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in columns},
        "required": [column.name for column in columns if column.required],
        "additionalProperties": False,
    }


def columnar_schema(columns: tuple[Column, ...]) -> Schema:
    """Return the schema of a table by column: an object with a list of values for each name."""
    return {
        "type": "object",
        "properties": {
            column.name: {"type": "array", "items": column_schema(column)} for column in columns
        },
        "required": [column.name for column in columns if column.required],
        "additionalProperties": False,
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
    columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...]
) -> dict[str, Schema]:
    """Return the schemas of a body for `components/schemas`. `Body` is the whole body."""
    if columns:
        return _table_schemas(columns)
    if len(tensors) > 1 or (tensors and tensors[0].name):
        return _named_schemas(tensors)
    rows = _rows_schema(tensors[0] if tensors else None)
    reference = {"$ref": "#/components/schemas/Rows"}
    return {"Rows": rows, "Body": {"anyOf": [reference, *_wrapped(reference, reference)]}}


def _rows_schema(tensor: Tensor | None) -> Schema:
    """Return the schema of the rows of one tensor, or of an input of which nothing is known."""
    if tensor is None or not tensor.shape:
        return {
            "description": "One list of values for each row, or a single row.",
            "type": "array",
            "minItems": 1,
        }
    row = tensor.shape[1:]
    batch = tensor_schema(tensor.dtype, (-1, *row)) | {"minItems": 1}
    text = _in_words(tensor)
    if len(row) != 1:
        return batch | {"description": f"{text}."}
    flat = tensor_schema(tensor.dtype, (-1,) if row == (1,) else row) | {"minItems": 1}
    either = "one value for each row" if row == (1,) else "a single row"
    return {"description": f"{text}, or {either}.", "anyOf": [batch, flat]}


def _in_words(tensor: Tensor) -> str:
    shape = [-1, *tensor.shape[1:]]
    return f"An array of {tensor.dtype} of shape {shape}, where -1 is any length"


def _named_schemas(tensors: tuple[Tensor, ...]) -> dict[str, Schema]:
    """Return the schemas of tensors by name: a mapping for each row, or one of lists of rows."""
    names = [str(tensor.name) for tensor in tensors]
    record, lists = (
        {
            "type": "object",
            "properties": {
                str(tensor.name): tensor_schema(tensor.dtype, (*batch, *tensor.shape[1:]))
                | {"description": f"{_in_words(tensor)}."}
                for tensor in tensors
            },
            "required": names,
            "additionalProperties": False,
        }
        for batch in ((), (-1,))
    )
    records = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Record"}}
    forms: list[Schema] = [
        records,
        {"$ref": "#/components/schemas/Record"},
        {"$ref": "#/components/schemas/ColumnLists"},
    ]
    if len(tensors) == 1:
        forms.append(_rows_schema(tensors[0]))
    rows: Schema = {"$ref": "#/components/schemas/Rows"}
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"enum": names}, "uniqueItems": True},
            "data": {"type": "array", "minItems": 1, "items": {"type": "array"}},
        },
        "required": ["columns", "data"],
    }
    return {
        "Record": record,
        "ColumnLists": lists,
        "Rows": {
            "description": "Records of tensors by name, or a list of rows for each name.",
            "anyOf": forms,
        },
        "Body": {
            "anyOf": [
                rows,
                *_wrapped(rows, rows),
                _object("dataframe_split", split),
                _object("dataframe_records", records),
            ]
        },
    }


def _table_schemas(columns: tuple[Column, ...]) -> dict[str, Schema]:
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
                "items": {"enum": names},
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
        "Record": record_schema(columns),
        "Rows": {
            "description": "Rows by position or records by column name, or a single one of them.",
            "anyOf": [{"type": "array", "minItems": 1, "items": row}, records, row, record],
        },
        "ColumnLists": columnar_schema(columns),
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
