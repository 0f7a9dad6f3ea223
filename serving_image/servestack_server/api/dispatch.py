"""The only interface between HTTP and the handlers: route, key, headers, metrics, access log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from servestack_server.api.after_log import AfterLog
from servestack_server.api.cors import CorsPolicy
from servestack_server.api.errors import fail, form_of_path
from servestack_server.api.router import Route, Router
from servestack_server.errors import RequestError, internal_error
from servestack_server.events.answered import Answered
from servestack_server.http.request import Held, Request
from servestack_server.http.response import TEXT
from servestack_server.server_log import log_failure
from servestack_server.service import Service

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
"""Requests that reach no endpoint are counted under one name, whatever their path is, so that
callers cannot create new time series."""


class Dispatch:
    """Answers requests that come over HTTP.

    `check_key` raises RequestError (401) for a request without an accepted key; None accepts all.
    """

    def __init__(
        self, router: Router, service: Service, check_key: Callable[[Request], None] | None
    ) -> None:
        self._router = router
        self._service = service
        self._check_key = check_key
        self._copies = service.copies
        cors = service.settings.cors
        self._cors = CorsPolicy(cors) if cors is not None else None
        logs_access = service.log.wants("access")
        self._answered = self._count_and_log if logs_access else self._count
        self._hold: Callable[[Held], None] | None = None
        if service.log.is_before_answers:
            after_log = AfterLog(service.log, self._log_access if logs_access else None)
            self._hold = after_log.hold
            self._answered = self._count
            service.log.on_custom = after_log.schedule
            service.delivering = after_log.delivering

    def is_vital(self, request: Request) -> bool:
        """Whether this asks for a probe, the metrics or a page, which need no key."""
        try:
            route = self._router.find(request.path)
        except RequestError:
            return False
        return route.metrics is None and not route.needs_key

    def admit(self, request: Request) -> None:
        """Find the request's route. Raises RequestError if it has none for the method, or no key.

        If there is a body, this comes before it: a caller without a key must not make the server
        hold anything.
        """
        route = request.route = self._router.find(request.path)
        route.handler(request.method)
        if route.needs_key and self._check_key is not None:
            self._check_key(request)

    def handle(self, request: Request) -> None:
        """Answer a complete request, now or later."""
        request.on_answered = self._answered
        request.hold = self._hold
        request.answer_headers = self._headers(request)
        try:
            # `OPTIONS *` asks about the server as a whole (RFC 9110, 9.3.7).
            if request.path == "*" and request.method == b"OPTIONS":
                request.answer(200, b"", TEXT, b"allow: GET, HEAD, OPTIONS, POST\r\n")
                return
            if request.route is None:  # Without a body, it was not admitted before.
                request.route = self._router.find(request.path)
                cors = self._cors
                if cors is not None and cors.is_preflight(request):  # A preflight carries no key.
                    cors.answer(request)
                    return
                self.admit(request)
            request.route.handler(request.method)(request)
        except RequestError as error:
            self._refuse(request, error)
        except Exception as error:
            log_failure(log, "the server failed", error, request.id)
            fail(request, internal_error())

    def refused(self, request: Request, error: RequestError) -> None:
        """Answer a request that was incomplete or outside the limits."""
        request.on_answered = self._answered
        request.hold = self._hold
        request.answer_headers = self._headers(request)
        self._refuse(request, error)

    def timed_out(self, request: Request) -> None:
        """Answer a request whose time is up with 503."""
        seconds = self._service.settings.limits.timeout_seconds
        fail(
            request,
            RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "timeout",
                f"there was no answer within {seconds:g} s",
                retry_after_seconds=1,
            ),
        )

    def _headers(self, request: Request) -> bytes:
        """Return the header lines that every answer to the request has, errors included."""
        headers = b"" if self._cors is None else self._cors.headers(request)
        trace = request.headers.get(b"traceparent")
        if trace is not None:
            headers += b"traceparent: %b\r\n" % trace
        return headers

    def _refuse(self, request: Request, error: RequestError) -> None:
        """Answer with an error, which is counted: under UNKNOWN, if the path itself is not."""
        if request.route is None or request.route.metrics is None:
            metrics = self._service.metrics.endpoint(UNKNOWN)
            request.route = Route({}, metrics, error_form=form_of_path(request.path))
        fail(request, error)

    def _count(self, request: Request, status: int) -> None:
        """Count an answer, if its route is counted, and copy a prediction for the shadow."""
        route = request.route
        if route is None or route.metrics is None:
            return
        route.metrics.count(status, request.seconds)
        # Where the request is counted, so that as many are copied; the answer has been written.
        if status == 200 and self._copies.is_on and route.shadow_path:
            self._copies.take(route.shadow_path, request)

    def _count_and_log(self, request: Request, status: int) -> None:
        self._count(request, status)
        self._log_access(request, status, None)

    def _log_access(self, request: Request, status: int, owner: Request | None) -> None:
        """Log the access, if its route is counted."""
        route = request.route
        if route is None or route.metrics is None:
            return
        entry = self._service.entry()
        self._service.log.access(
            Answered(
                request.id_bytes, request.headers.get(b"traceparent"), entry.name,
                entry.version, route.metrics.path, status, seconds=request.seconds,
                assigned=request.assigned,
            ),
            owner,
        )  # fmt: skip
