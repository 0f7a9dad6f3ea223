"""All connections together: what they share, their limits, and the way out."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter

from servestack_server.errors import RequestError
from servestack_server.http.connection import Connection
from servestack_server.http.request import Request
from servestack_server.http.router import Router

log = logging.getLogger(__name__)

SWEEP_SECONDS = 0.25
KEEP_ALIVE_SECONDS = 120.0
"""Longer than the idle time of any proxy in front, which would else send into a closed one."""
_IDLE_AT_STOP_SECONDS = 1.0
_BACKLOG = 2048
MAX_CONNECTIONS = 4096


class HttpServer:
    """Takes connections and gives whole requests to the router's handlers.

    `receiving` is the number of requests that have begun to arrive and are not complete.
    """

    def __init__(
        self,
        router: Router,
        *,
        max_body_bytes: int,
        timeout_seconds: float,
        check_key: Callable[[Request], None] | None = None,
        refused_metrics: Callable[[Request], None] | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.router = router
        self.max_body_bytes = max_body_bytes
        self.timeout_seconds = timeout_seconds
        self.keep_alive_seconds = KEEP_ALIVE_SECONDS
        self.max_connections = max_connections
        self.check_key = check_key
        self.connections: set[Connection] = set()
        self.receiving = 0
        self.in_flight = 0
        self.stopping = False
        self.on_answered: Callable[[Request, int], None] | None = None
        self._mark_refused = refused_metrics
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, sock: socket.socket) -> None:
        """Take connections from a bound socket. OSError where another process got it first."""
        sock.listen(_BACKLOG)  # uvloop would not tell.
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self), sock=sock, backlog=_BACKLOG
        )
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    def handle(self, request: Request) -> None:
        """Answer a whole request, now or later."""
        self.in_flight += 1
        request.on_answered = self.on_answered
        try:
            route = self.router.find(request)
            request.endpoint = route.metrics
            request.ok200 = route.ok200
            handler = self.router.handler(request, route)
            if route.needs_key and self.check_key is not None:
                self.check_key(request)
            handler(request)
        except RequestError as error:
            if request.endpoint is None and self._mark_refused is not None:
                self._mark_refused(request)
            request.fail(error)
        except Exception:
            log.exception("request %s failed", request.id)
            request.fail(
                RequestError(
                    HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the server failed; see its log"
                )
            )

    def refused(self, request: Request, error: RequestError) -> None:
        """Answer a request that did not arrive whole or within the limits."""
        self.in_flight += 1
        if self._mark_refused is not None:
            self._mark_refused(request)
        request.fail(error)

    def finished(self, request: Request) -> None:
        """A request has its answer, or nobody waits for it any more."""
        self.in_flight -= 1

    def timed_out(self, request: Request) -> None:
        """Answer a request whose time is up; what still works for it works for nothing."""
        request.fail(
            RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "timeout",
                f"there was no answer within {self.timeout_seconds:g} s",
                retry_after_seconds=1,
            )
        )

    async def stop(self, grace_seconds: float) -> bool:
        """Take no new connections, answer what is asked, close. False when time ran out.

        Idle connections are kept for a second: a caller may have just sent a request into one.
        """
        self.stopping = True
        if self._listener is not None:
            self._listener.close()
        deadline = perf_counter() + grace_seconds
        while self.connections and (now := perf_counter()) < deadline:
            for connection in tuple(self.connections):
                connection.close_when_idle(now, _IDLE_AT_STOP_SECONDS)
            await asyncio.sleep(0.02)
        if self._sweeper is not None:
            self._sweeper.cancel()
        clean = not self.in_flight
        for connection in tuple(self.connections):
            connection.transport.abort()
        return clean

    def _sweep(self) -> None:
        now = perf_counter()
        for connection in tuple(self.connections):
            connection.sweep(now)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
