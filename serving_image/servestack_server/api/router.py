"""Finds the handler of a path."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote

from servestack_server.api.errors import ErrorForm
from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.metrics import EndpointMetrics

_MODEL = re.compile(r"/v[12]/models/([^/:]+)")
Handler = Callable[[Request], None]


class Route:
    """A path with its handlers by method. `metrics` is None if its requests are not counted.

    `shadow_path` is the path at which a shadow gets copies of its requests; empty: they are not copied.
    """

    __slots__ = ("error_form", "handlers", "metrics", "needs_key", "shadow_path")

    def __init__(
        self, handlers: dict[bytes, Handler], metrics: EndpointMetrics | None, *,
        needs_key: bool = False, error_form: ErrorForm = ErrorForm.OWN, shadow_path: bytes = b"",
    ) -> None:  # fmt: skip
        self.handlers = handlers
        self.metrics = metrics
        self.needs_key = needs_key
        self.error_form = error_form
        self.shadow_path = shadow_path

    def handler(self, method: bytes) -> Handler:
        """Return the handler of a method. Raises RequestError (405) if the path has none."""
        handler = self.handlers.get(method)
        if handler is None and method == b"HEAD":
            handler = self.handlers.get(b"GET")
        if handler is None:
            allowed = ", ".join(sorted(method.decode() for method in self.handlers))
            raise RequestError(
                HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"this path allows only {allowed}",
                headers=b"allow: %b\r\n" % allowed.encode(),
            )  # fmt: skip
        return handler


class Router:
    """All paths of the service. They are known at the start."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    def add(self, path: str, route: Route) -> None:
        """Add a path. If it is there already, the first one stays."""
        self._routes.setdefault(path, route)

    def repeat_below(self, prefix: str) -> None:
        """Add every path once more below a prefix, with the same handlers and metrics."""
        for path, route in tuple(self._routes.items()):
            self.add(prefix + path.removesuffix("/"), route)

    def find(self, target: str) -> Route:
        """Return the route of a request's target. Raises RequestError (404) if there is none."""
        route = self._routes.get(target)
        if route is None:
            path = unquote(_path_of(target))
            route = self._routes.get(path) or self._routes.get(path.rstrip("/"))
        if route is None:
            what = _MODEL.match(target)
            if what is None:
                message = "there is no such path"
            elif f"/v1/models/{what[1]}" in self._routes:
                message = f"the model {what[1]!r} has no such path or version"
            else:
                message = f"there is no model {what[1]!r}"
            raise RequestError(HTTPStatus.NOT_FOUND, "not_found", f"{message}; see /openapi.json")
        return route


def _path_of(target: str) -> str:
    """Return the path of a target, which may be in the absolute form with scheme and host.

    Source: RFC 9112, 3.2.2.
    """
    scheme, separator, rest = target.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return "/" + rest.partition("/")[2]
    return target
