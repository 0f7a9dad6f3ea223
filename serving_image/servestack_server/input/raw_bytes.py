"""Bytes that come as they are: a body, or a file of a form, for a model that takes bytes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from servestack_server.errors import RequestError
from servestack_server.input.problems import malformed
from servestack_server.input.schema import AnySchema, Schema, TableSchema
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema


def takes_one_value(schema: Schema) -> bool:
    """Whether bytes alone are a row: the input is one column of bytes, or nothing is known of it."""
    if isinstance(schema, TableSchema):
        return [column.type for column in schema.columns] == ["binary"]
    return isinstance(schema, AnySchema)


def raw_row(body: bytes, schema: Schema) -> list[Any]:
    """Return the row that a body of bytes is.

    Raises RequestError: 400 for an empty body, 415 if the model takes something else than bytes.
    """
    if not takes_one_value(schema):
        raise no_bytes(schema)
    if not body:
        raise malformed("empty_body", "the body is empty")
    return [body]


def no_bytes(schema: Schema) -> RequestError:
    """Make the error (415) for bytes sent to a model that takes numbers or several columns."""
    if isinstance(schema, TensorSchema | TensorsSchema):
        message = (
            f"the model takes {schema.in_words()}, and files are not decoded here: send its numbers as JSON or as a V2 tensor, or log a "
            "model that takes one binary column and decodes it"
        )
    else:
        names = ", ".join(getattr(schema, "names", ())[:12])
        message = (
            f"the model takes the columns {names}: send multipart/form-data with a field for each"
        )
    return RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_type", message)
