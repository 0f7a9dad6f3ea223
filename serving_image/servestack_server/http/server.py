"""All connections together: the socket that takes them, their limits of time, and the way out."""

from __future__ import annotations

import asyncio
import socket
from time import perf_counter

from servestack_server.http.connection import Connection
from servestack_server.http.state import Application, State

SWEEP_SECONDS = 0.25
_IDLE_AT_STOP_SECONDS = 1.0
_BACKLOG = 2048


class HttpServer:
    """Takes connections, and gives whole requests to the application."""

    def __init__(self, state: State, application: Application) -> None:
        self.state = state
        self._application = application
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, sock: socket.socket) -> None:
        """Take connections from a bound socket. OSError where another process got it first."""
        sock.listen(_BACKLOG)  # uvloop would not tell.
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self.state, self._application, self._connections),
            sock=sock, backlog=_BACKLOG,
        )  # fmt: skip
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    async def stop(self, grace_seconds: float) -> bool:
        """Take no new connections, answer what is asked, close. False when time ran out.

        Idle connections are kept for a second: a caller may have just sent a request into one.
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
        for connection in tuple(self._connections):
            connection.sweep(now)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
