"""The bytes of an answer."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

import msgspec

from servestack_server.plain import NoFormError, plain, unknown

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


encode_json = msgspec.json.Encoder(enc_hook=unknown).encode
"""Encode a value. It raises several errors for what only `encode_any` takes."""


def encode_any(value: Any) -> bytes:
    """Encode a value of any type. Raises NoFormError if it has no form in JSON."""
    try:
        return encode_json(value)
    except (TypeError, ValueError, OverflowError, RecursionError, NoFormError):
        return encode_json(plain(value))


def date_line() -> bytes:
    """Return the header `date` of now, with its CRLF (RFC 9110, 6.6.1 and 5.6.7)."""
    at = time.gmtime()
    # Not the names of strftime, which follow the locale.
    day, month = _DAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]
    text = time.strftime(f"{day}, %d {month} %Y %H:%M:%S GMT", at)
    return b"date: %b\r\n" % text.encode()


def head(
    status: int, date: bytes, content_type: bytes, length: int, request_id: bytes, headers: bytes
) -> bytes:
    """Return the head of an answer: everything before the body.

    `date` is a result of `date_line`. `length` is the size of the body in bytes. `headers` are
    further lines, each with its CRLF.
    """
    return b"%b%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b\r\n" % (
        _STATUS_LINES[status], date, content_type, length, request_id, headers,
    )  # fmt: skip
