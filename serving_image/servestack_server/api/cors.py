"""Calls from pages in a browser: which origins may call, and the headers that allow it.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol. Credentials (cookies) are never allowed:
nothing here reads them.
"""

from __future__ import annotations

from http import HTTPStatus

from servestack_contract.settings import Cors
from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.http.response import TEXT

_EXPOSED = b"access-control-expose-headers: x-request-id, retry-after\r\n"
"""Response headers that a page may read in addition to those that it always may."""


class CorsPolicy:
    """Sends browsers what the settings allow. A service without it sends nothing: they refuse."""

    def __init__(self, settings: Cors) -> None:
        self._any = "*" in settings.origins
        self._origins = frozenset(origin.encode() for origin in settings.origins)
        self._preflight = (
            b"access-control-allow-methods: %b\r\n"
            b"access-control-allow-headers: %b\r\n"
            b"access-control-max-age: %d\r\n"
        ) % (
            ", ".join(settings.methods).encode(),
            ", ".join(settings.headers).encode(),
            settings.max_age_seconds,
        )

    def headers(self, request: Request) -> bytes:
        """Return the header lines for the answer. `vary: origin` keeps origins apart in caches."""
        if self._any:
            return b"access-control-allow-origin: *\r\n" + _EXPOSED
        if not self._may_call(request):
            return b"vary: origin\r\n"
        return b"access-control-allow-origin: %b\r\nvary: origin\r\n%b" % (
            request.headers[b"origin"],
            _EXPOSED,
        )

    def is_preflight(self, request: Request) -> bool:
        """Whether this is a preflight, which a browser sends before a page's request."""
        return request.method == b"OPTIONS" and b"access-control-request-method" in request.headers

    def answer(self, request: Request) -> None:
        """Answer a preflight. Raises RequestError (403) if the origin may not call."""
        if not self._may_call(request):
            origin = request.headers.get(b"origin", b"").decode("latin-1")
            message = f"pages of {origin!r} may not call this service"
            raise RequestError(HTTPStatus.FORBIDDEN, "origin_not_allowed", message)
        request.answer(200, b"", TEXT, self._preflight)

    def _may_call(self, request: Request) -> bool:
        return self._any or request.headers.get(b"origin") in self._origins
