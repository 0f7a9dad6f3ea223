"""All connections together: the listening socket, their time limits, and the shutdown."""

from __future__ import annotations

import asyncio
import socket
from time import perf_counter

from servestack_server.http.connection import Connection
from servestack_server.http.response import date_line
from servestack_server.http.state import Application, State

SWEEP_SECONDS = 0.25
_IDLE_AT_STOP_SECONDS = 1.0
_BACKLOG = 2048


class HttpServer:
    """Accepts connections, and hands complete requests to the application."""

    def __init__(self, state: State, application: Application) -> None:
        self.state = state
        self._application = application
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket. Raises OSError if another process has the port."""
        sock.listen(_BACKLOG)  # uvloop would not report a port in use.
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self.state, self._application, self._connections),
            sock=sock, backlog=_BACKLOG,
        )  # fmt: skip
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    async def stop(self, grace_seconds: float) -> bool:
        """Accept no new connections, answer the requests in flight, then close.

        Returns False if requests are still unanswered after `grace_seconds`. Idle connections stay
        open for a second, because a caller may have just sent a request on one.
        """
        self.state.stopping = True
        if self._listener is not None:
            self._listener.close()
        deadline = perf_counter() + grace_seconds
        while self._connections and (now := perf_counter()) < deadline:
            for connection in tuple(self._connections):
                connection.close_when_idle(now, _IDLE_AT_STOP_SECONDS)
            await asyncio.sleep(0.02)
        if self._sweeper is not None:
            self._sweeper.cancel()
        clean = not self.state.in_flight
        for connection in tuple(self._connections):
            connection.transport.abort()
        return clean

    def _sweep(self) -> None:
        now = perf_counter()
        self.state.date = date_line()
        for connection in tuple(self._connections):
            connection.sweep(now)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
