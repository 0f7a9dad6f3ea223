"""The one place that chooses by its content type how a body is read.

JSON                                     `bodies.py`, in any of its forms
text/csv                                 `csv_rows.py`
application/x-ndjson, application/jsonl  a row in each line, as JSON
multipart/form-data                      `forms.py`: files, and fields by column name
image/*, application/octet-stream, …     one row, for a model that takes bytes
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from servestack_server.errors import RequestError
from servestack_server.input.bodies import (
    Beside,
    Rows,
    decode_json,
    read_loose_rows,
    read_rows,
)
from servestack_server.input.content_type import JSON, ContentType
from servestack_server.input.csv_rows import csv_rows
from servestack_server.input.forms import form_rows, read_parts
from servestack_server.input.problems import NoRowsError, too_many_rows
from servestack_server.input.raw_bytes import raw_row
from servestack_server.input.schema import Schema

_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl",
    "application/x-jsonlines", "application/jsonlines"})  # fmt: skip
_RAW = ("image/", "audio/", "video/", "application/octet-stream")
_decode_lines = msgspec.json.Decoder().decode_lines


def read_body(
    body: bytes,
    given: ContentType,
    schema: Schema,
    max_rows: int,
    beside: Beside | None = None,
) -> Rows:
    """Return the rows of a body, checked: tuples for a table, one array for a tensor.

    Only JSON can have something beside its rows.
    Raises RequestError: 400 if the body does not match its content type, 413 for more than
    `max_rows` (JSON's are left to the caller), 415 for an unknown type, 422 if it does not fit the
    schema.
    """
    if given is JSON:
        return read_rows(body, schema, beside)
    return schema.convert(_rows(body, given, schema, max_rows))


def read_loose_body(
    body: bytes,
    given: ContentType,
    schema: Schema,
    max_rows: int,
    beside: Beside | None = None,
) -> list[Any]:
    """Return the rows of a body unchecked, for a caller that checks them one by one.

    Raises RequestError as `read_body` does, but not for values that do not fit the schema.
    """
    if given is JSON:
        return read_loose_rows(body, schema, beside)
    return _rows(body, given, schema, max_rows)


def starts_like_json(body: bytes) -> bool:
    """Whether a body of a type that says nothing is JSON by its first character."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def unsupported(given: ContentType, wanted: str) -> RequestError:
    """Make the error (415) for a content type that a route does not read."""
    return RequestError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_type",
        f"the content type {given.kind!r} is not supported; send {wanted}",
    )  # fmt: skip


def _rows(body: bytes, given: ContentType, schema: Schema, max_rows: int) -> list[Any]:
    kind = given.kind
    if kind == "text/csv":
        return csv_rows(body, given, schema, max_rows)
    if kind in _LINES:
        given.require_utf_8()
        return _lines(body, max_rows)
    if kind == "multipart/form-data":
        return form_rows(read_parts(body, given), schema)
    if kind.startswith(_RAW):
        return [raw_row(body, schema)]
    raise unsupported(
        given, "application/json, text/csv, application/x-ndjson or multipart/form-data"
    )


def _lines(body: bytes, max_rows: int) -> list[Any]:
    rows: list[Any] = decode_json(body, _decode_lines)
    if not rows:
        raise NoRowsError
    if len(rows) > max_rows:
        raise too_many_rows(len(rows), max_rows)
    return rows
