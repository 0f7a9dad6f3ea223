"""What the predicting routes read: JSON, CSV, rows in lines, forms and bytes."""

from __future__ import annotations

from typing import Any

from servestack_contract.settings import Column, Tensor
from servestack_server.docs_page.value_schema import Schema, value_schema

_FILE: Schema = {
    "type": "string",
    "format": "binary",
}  # Swagger UI shows a chooser of files for it.


def request_body(examples: dict[str, Any], schema: Schema) -> Schema:
    """Return the description of a JSON body. `examples` are named, as OpenAPI lists them."""
    content: Schema = {"schema": schema}
    if examples:
        content["examples"] = examples
    return {"required": True, "content": {"application/json": content}}


def rows_body(
    examples: dict[str, Any], columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...]
) -> Schema:
    """Return the description of a body of rows, in each content type that the input can have."""
    body = request_body(examples, {"$ref": "#/components/schemas/Body"})
    content = body["content"]
    content["text/csv"] = {"schema": _text("A line with the column names, then the rows.")}
    content["application/x-ndjson"] = {"schema": _text("One row in each line, as JSON.")}
    if tensors:
        return body
    content["multipart/form-data"] = {"schema": _form(columns)}
    if columns is None or [column.type for column in columns] == ["binary"]:
        content["application/octet-stream"] = {"schema": _FILE}
        content["image/*"] = {"schema": _FILE}
    return body


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _form(columns: tuple[Column, ...] | None) -> Schema:
    """Files of a model that takes bytes may have any name; else fields are called as the columns."""
    if columns is None:
        return {"type": "object", "additionalProperties": _FILE}
    return {
        "type": "object",
        "properties": {
            column.name: _FILE if column.type == "binary" else value_schema(column)
            for column in columns
        },
        "required": [column.name for column in columns if column.required],
    }
