"""From a path to what answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from servestack_server.errors import RequestError
from servestack_server.http.request import Request

if TYPE_CHECKING:
    from servestack_server.metrics import EndpointMetrics

_MODEL = re.compile(r"/v[12]/models/([^/:]+)")
Handler = Callable[[Request], None]


class Route:
    """A path with its handlers by method. `metrics` is None where requests are not counted."""

    __slots__ = ("handlers", "metrics", "needs_key", "ok200")

    def __init__(
        self, handlers: dict[bytes, Handler], metrics: EndpointMetrics | None, *,
        needs_key: bool = False, ok200: bool = False,
    ) -> None:  # fmt: skip
        self.handlers = handlers
        self.metrics = metrics
        self.needs_key = needs_key
        self.ok200 = ok200


class Router:
    """All paths, known at the start."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}

    def add(self, path: str, route: Route) -> None:
        """A further path. The first of two equal ones stays."""
        self.routes.setdefault(path, route)

    def find(self, request: Request) -> Route:
        """RequestError 404 for a path that is not there."""
        route = self.routes.get(request.path)
        if route is None:
            path = unquote(request.path)
            if path.startswith("http://"):  # A proxy's form of the target (RFC 9112, 3.2.2).
                path = "/" + path.removeprefix("http://").partition("/")[2]
            route = self.routes.get(path) or self.routes.get(path.rstrip("/"))
        if route is None:
            what = _MODEL.match(request.path)
            message = (
                f"there is no model {what[1]!r} or version" if what else "there is nothing here"
            )
            raise RequestError(HTTPStatus.NOT_FOUND, "not_found", f"{message}; see /openapi.json")
        return route

    def handler(self, request: Request, route: Route) -> Handler:
        """RequestError 405 for a method that the path does not have."""
        handler = route.handlers.get(request.method)
        if handler is None and request.method == b"HEAD":
            handler = route.handlers.get(b"GET")
        if handler is None:
            allowed = ", ".join(sorted(method.decode() for method in route.handlers))
            raise RequestError(
                HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"allowed here: {allowed}",
                headers=b"allow: %b\r\n" % allowed.encode(),
            )  # fmt: skip
        return handler
