"""JSON schemas of the request bodies, from the columns or the tensor of the input."""

from __future__ import annotations

from servestack_contract.settings import NESTED_TYPES, Column, Param, Tensor
from servestack_server.docs_page.value_schema import (
    Schema,
    record_schema,
    scalar_schema,
    value_schema,
)
from servestack_server.input.language_models import CHAT_KEYS


def row_schema(columns: tuple[Column, ...]) -> Schema:
    """Return the schema of a row by position: a list with one value for each column."""
    return {
        "type": "array",
        "prefixItems": [value_schema(column) | {"title": column.name} for column in columns],
        "minItems": len(columns),
        "maxItems": len(columns),
    }


def columnar_schema(columns: tuple[Column, ...], *, is_open: bool = False) -> Schema:
    """Return the schema of a table by column: an object with a list of values for each name.

    `is_open` allows other columns beside them.
    """
    return {
        "type": "object",
        "properties": {
            column.name: {"type": "array", "items": value_schema(column)} for column in columns
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


def body_schemas(
    columns: tuple[Column, ...] | None,
    tensors: tuple[Tensor, ...],
    params: tuple[Param, ...] = (),
    *,
    is_open: bool = False,
) -> dict[str, Schema]:
    """Return the schemas of a body for `components/schemas`. `Body` is the whole body.

    `is_open` says that columns which the input does not have are ignored.
    """
    schemas = _table_schemas(columns, is_open) if columns else _rows_schemas(tensors)
    if params:
        schemas["Params"] = params_schema(params)
        forms = schemas["Body"]["anyOf"]
        for form in forms:
            if "properties" in form:
                form["properties"]["params"] = {"$ref": "#/components/schemas/Params"}
        if columns and any(column.name in CHAT_KEYS for column in columns):
            forms.append(_chat_schema(columns, schemas["Params"]))
    return schemas


def params_schema(params: tuple[Param, ...]) -> Schema:
    """Return the schema of the values beside the rows."""
    properties = {param.name: value_schema(param) | {"default": param.default} for param in params}
    return {
        "description": "Values for the whole request.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _chat_schema(columns: tuple[Column, ...], params: Schema) -> Schema:
    """Return the schema of a record with the params among its values, as for language models."""
    record = record_schema(columns)
    return record | {"properties": record["properties"] | params["properties"]}


def _rows_schemas(tensors: tuple[Tensor, ...]) -> dict[str, Schema]:
    if len(tensors) > 1 or (tensors and tensors[0].name):
        return _named_schemas(tensors)
    rows = _rows_schema(tensors[0] if tensors else None)
    reference = {"$ref": "#/components/schemas/Rows"}
    return {"Rows": rows, "Body": {"anyOf": [reference, *_wrapped(reference, reference)]}}


def _value_schemas(column: Column) -> dict[str, Schema]:
    """Return the schemas of an input whose rows are plain values."""
    value = {"$ref": "#/components/schemas/Value"}
    reference = {"$ref": "#/components/schemas/Rows"}
    rows: Schema = {
        "description": "One value for each row.",
        "anyOf": [{"type": "array", "minItems": 1, "items": value}],
    }
    if column.type not in NESTED_TYPES:
        rows["anyOf"].append({"type": "array", "minItems": 1, "items": {"type": "array", "prefixItems": [value], "minItems": 1, "maxItems": 1}})  # fmt: skip
    if column.type in ("object", "map"):
        rows["anyOf"].append(value)
    wrapped = _wrapped(reference, {"anyOf": [reference, value]})
    split = _split_schema([], {"type": "array", "items": {"type": "array", "prefixItems": [value]}})
    forms = [reference, *wrapped, _object("dataframe_split", split)]
    return {"Value": value_schema(column), "Rows": rows, "Body": {"anyOf": forms}}


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


def _table_schemas(columns: tuple[Column, ...], is_open: bool) -> dict[str, Schema]:
    if len(columns) == 1 and not columns[0].name:
        return _value_schemas(columns[0])
    row = {"$ref": "#/components/schemas/Row"}
    record = {"$ref": "#/components/schemas/Record"}
    records = {"type": "array", "minItems": 1, "items": record}
    rows: Schema = {"$ref": "#/components/schemas/Rows"}
    names = [column.name for column in columns]
    table = {"anyOf": [rows, {"$ref": "#/components/schemas/ColumnLists"}]}
    types = {column.type for column in columns}
    if types <= {"array", "any"} and "array" in types:  # Lists are then the values of a record.
        table = rows
    return {
        "Row": row_schema(columns) | {"description": f"Values in this order: {', '.join(names)}."},
        "Record": record_schema(columns, is_open=is_open),
        "Rows": {
            "description": "Rows by position or records by column name, or a single one of them.",
            "anyOf": [
                {"type": "array", "minItems": 1, "items": row}, records, row, record,
                *_lone_values(columns),
            ],
        },
        "ColumnLists": columnar_schema(columns, is_open=is_open),
        "Body": {
            "anyOf": [
                rows,
                *_wrapped(rows, table),
                _object("dataframe_split", _split_schema([] if is_open else names, {"type": "array"})),
                _object("dataframe_records", records),
            ]
        },
    }  # fmt: skip


def _lone_values(columns: tuple[Column, ...]) -> list[Schema]:
    """Return the schemas of the values of a single column, which may stand without a row."""
    if len(columns) > 1 or columns[0].type in ("object", "map", "any"):
        return []
    value = value_schema(columns[0])
    alone = [value | {"type": "array", "minItems": 1}] if columns[0].type == "array" else []
    return [{"type": "array", "minItems": 1, "items": value}, *alone]


def _split_schema(names: list[str], data: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "columns": {
                "type": "array",
                **({"items": {"enum": names}} if names else {}),
                "uniqueItems": True,
                "description": "The order of the columns in `data`.",
            },
            "data": {"minItems": 1} | data | {"items": data.get("items", {"type": "array"})},
            "index": {"type": "array", "description": "The server ignores it."},
        },
        "required": ["columns", "data"],
    }


def _wrapped(rows: Schema, inputs: Schema) -> list[Schema]:
    return [_object("data", rows), _object("instances", rows), _object("inputs", inputs)]


def _object(name: str, schema: Schema) -> Schema:
    return {"type": "object", "properties": {name: schema}, "required": [name]}
