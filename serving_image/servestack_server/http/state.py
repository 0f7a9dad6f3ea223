"""What all connections of a server share, and whom they ask for answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from servestack_server.errors import RequestError
from servestack_server.http.request import Request

KEEP_ALIVE_SECONDS = 120.0
"""Longer than the idle time of any proxy in front, which would else send into a closed one."""
MAX_CONNECTIONS = 4096


@dataclass(slots=True)
class State:
    """Limits, counts, and whether the server stops.

    `receiving` is the number of requests that have begun to arrive and are not complete,
    `in_flight` that of those that are complete and wait for their answer.
    """

    max_body_bytes: int
    timeout_seconds: float
    max_connections: int = MAX_CONNECTIONS
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    receiving: int = 0
    in_flight: int = 0
    stopping: bool = False


class Application(Protocol):
    """Answers requests. Each method calls `request.answer`, now or later, and raises nothing."""

    def handle(self, request: Request) -> None:
        """Answer a whole request."""

    def refused(self, request: Request, error: RequestError) -> None:
        """Answer a request that did not arrive whole or within the limits."""

    def timed_out(self, request: Request) -> None:
        """Answer a request whose time is up; what still works for it works for nothing."""
