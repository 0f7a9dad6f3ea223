"""JSON schemas of single values: of columns, of what is in them, and of params."""

from __future__ import annotations

from typing import Any

from servestack_contract.settings import Column, Element, Param

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


def value_schema(given: Column | Element | Param) -> Schema:
    """Return the schema of one value: type, range and enumeration, and null if it may be missing."""
    if given.type == "any":
        return {"description": "Any value."}
    schema = _of_type(given)
    # A spec may write the range of whole numbers as 5.0; readers should see 5.
    for bound in ("minimum", "maximum"):
        value = getattr(given, bound)
        if value is not None:
            schema[bound] = int(value) if value == int(value) else value
    if given.enum is not None:
        schema["enum"] = [*given.enum]
    if not given.may_be_null:
        return schema
    if "enum" in schema:
        schema["enum"].append(None)
    return schema | {"type": [schema["type"], "null"]}


def _of_type(given: Column | Element | Param) -> Schema:
    match given.type:
        case "array":
            items = {"items": value_schema(given.items)} if given.items is not None else {}
            return {"type": "array"} | items
        case "map":
            values = value_schema(given.values) if given.values is not None else {}
            return {"type": "object", "additionalProperties": values}
        case "object" if given.properties is not None:
            return record_schema(given.properties)
        case "object":
            return {"type": "object"}
    return dict(_TYPES[given.type])


def record_schema(columns: tuple[Column, ...], *, is_open: bool = False) -> Schema:
    """Return the schema of a row by name: an object with one value for each column.

    `is_open` allows other columns beside them.
    """
    return {
        "type": "object",
        "properties": {column.name: value_schema(column) for column in columns},
        "required": [column.name for column in columns if column.required],
        "additionalProperties": is_open,
    }


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
