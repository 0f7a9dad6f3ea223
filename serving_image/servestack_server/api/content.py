"""Decompresses the body of a request, and finds its content type."""

from __future__ import annotations

import zlib
from http import HTTPStatus

from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.input.content_type import JSON, ContentType, parse_content_type
from servestack_server.input.problems import malformed
from servestack_server.input.readers import starts_like_json, unsupported

_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""Window bits of zlib for each content coding (RFC 9110, 8.4.1)."""

_JSON = frozenset(
    b"application/json" + charset
    for charset in (
        b"", b"; charset=utf-8", b";charset=utf-8", b"; charset=UTF-8", b";charset=UTF-8",
    )
)  # fmt: skip
"""What nearly all callers send, word by word: other ways to write it are parsed."""


def body_of(request: Request, max_bytes: int) -> bytes:
    """Return the body, decompressed.

    Raises RequestError: 400 if the compressed data is broken, 413 if the result has more than
    `max_bytes`, 415 for an unknown encoding.
    """
    encoding = request.headers.get(b"content-encoding")
    if not encoding or encoding == b"identity":
        return request.body
    window = _WINDOWS.get(encoding.lower())
    if window is None:
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding",
            f"the encoding {encoding.decode('latin-1')!r} is not supported; send gzip, deflate or none",
        )  # fmt: skip
    unpacker = zlib.decompressobj(window)
    try:
        body = unpacker.decompress(request.body, max_bytes + 1)
    except zlib.error:
        raise malformed(
            "malformed_encoding", "the body does not match its Content-Encoding"
        ) from None
    if len(body) > max_bytes:
        raise RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large",
            f"the body is larger than {max_bytes:,} bytes after decompression",
        )  # fmt: skip
    if not unpacker.eof or unpacker.unused_data:
        raise malformed(
            "malformed_encoding", "the compressed body is cut off, or other data follows it"
        )
    return body


def content_type(request: Request, body: bytes) -> ContentType:
    """Return the content type of a request; the constant `JSON` for every kind of JSON.

    `body` is decompressed. `curl -d` declares a form, so a form that starts like JSON is JSON.
    Raises RequestError (415) for JSON in another charset than UTF-8.
    """
    header = request.headers.get(b"content-type")
    if header is None or header in _JSON:
        return JSON
    given = parse_content_type(header)
    if given.is_json:
        given.require_utf_8()
        return JSON
    is_form = given.kind == "application/x-www-form-urlencoded"
    return JSON if is_form and starts_like_json(body) else given


def require_json(request: Request, body: bytes) -> None:
    """Raise RequestError (415) if the content type is not JSON in UTF-8."""
    given = content_type(request, body)
    if given is not JSON:
        raise unsupported(given, "application/json")
