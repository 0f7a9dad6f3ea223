"""What all connections of a server share, and the application that answers their requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.http.response import date_line

KEEP_ALIVE_SECONDS = 120.0
"""Longer than the idle time of any proxy in front, so that the proxy closes first. Otherwise it
could send a request on a connection that the server is closing."""
MAX_CONNECTIONS = 4096


@dataclass(slots=True)
class State:
    """Limits, counts, and whether the server is stopping.

    `receiving` is the number of requests that are only partly received, `in_flight` the number of
    complete requests that wait for their answer. `date` is the header line of all answers, which
    the server keeps up to date.
    """

    max_body_bytes: int
    timeout_seconds: float
    max_connections: int = MAX_CONNECTIONS
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    receiving: int = 0
    in_flight: int = 0
    stopping: bool = False
    date: bytes = field(default_factory=date_line)


class Application(Protocol):
    """Answers requests. Each method calls `request.answer`, now or later, and raises nothing."""

    def handle(self, request: Request) -> None:
        """Answer a complete request."""

    def refused(self, request: Request, error: RequestError) -> None:
        """Answer a request that was incomplete or outside the limits."""

    def timed_out(self, request: Request) -> None:
        """Answer a request whose time is up. Work that still runs for it is discarded."""
