"""Decompresses the body of a request, and checks its content type."""

from __future__ import annotations

import zlib
from http import HTTPStatus

from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.input.problems import malformed

_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""Window bits of zlib for each content coding (RFC 9110, 8.4.1)."""


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


def media_type(request: Request) -> bytes:
    """Return the content type in lower case, without parameters; empty if the header is absent."""
    given = request.headers.get(b"content-type", b"")
    return given.partition(b";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Raise RequestError (415) if the content type is not JSON.

    `curl -d` declares a form, so a form that starts like JSON is read as JSON.
    """
    kind = request.headers.get(b"content-type")
    if kind is None or kind == b"application/json":
        return
    kind = media_type(request)
    if kind in (b"application/json", b"") or kind.endswith(b"+json"):
        return
    if kind == b"application/x-www-form-urlencoded" and request.body.lstrip()[:1] in (b"[", b"{"):
        return
    raise RequestError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_type",
        f"the content type {kind.decode('latin-1')!r} is not supported; send application/json",
    )
