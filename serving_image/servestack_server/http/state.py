"""What all connections of a server share, and the application that answers their requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from servestack_server.errors import RequestError
from servestack_server.http.draining import Draining
from servestack_server.http.request import Request
from servestack_server.http.response import date_line

KEEP_ALIVE_SECONDS = 120.0
"""Longer than the idle time of any proxy in front, so that the proxy closes first. Otherwise it
could send a request on a connection that the server is closing."""
MAX_CONNECTIONS = 4096
SPARE_CONNECTIONS = 256
"""Further connections, on which only vital requests are answered, one each."""
SPARE_SECONDS = 2.0
"""How long a spare connection may take for its request."""
MAX_BUFFERED_BYTES = 128 << 20


@dataclass(slots=True)
class State:
    """Limits, counts, and whether the server is stopping.

    `receiving` is the number of requests that are only partly received, `in_flight` the number of
    complete requests that wait for their answer. `buffered_bytes` is the size of the bodies of both,
    over all connections. `answered_seconds` is how long answered requests were in flight,
    `started_sum` the sum of the times at which those in flight began. `date` is the header line of all answers, which the server keeps up to
    date.
    """

    max_body_bytes: int
    timeout_seconds: float
    max_connections: int = MAX_CONNECTIONS
    max_buffered_bytes: int = MAX_BUFFERED_BYTES
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    receiving: int = 0
    in_flight: int = 0
    answered_seconds: float = 0.0
    started_sum: float = 0.0
    buffered_bytes: int = 0
    stopping: bool = False
    date: bytes = field(default_factory=date_line)
    draining: Draining = field(default_factory=Draining)

    def enter(self, started: float) -> None:
        """Count a request whose answer is due. `started` is time.perf_counter() in seconds."""
        self.in_flight += 1
        self.started_sum += started

    def leave(self, started: float, now: float) -> None:
        """Count that it has its answer, or that its caller is gone."""
        self.in_flight -= 1
        self.answered_seconds += now - started
        # Else the rounding of millions of sums would stay.
        self.started_sum = self.started_sum - started if self.in_flight else 0.0

    def in_flight_seconds(self, now: float) -> float:
        """Seconds that requests have been in flight, summed over requests, those due included.

        Its rate is their mean number (Little's law: L = λW), whatever happens between two looks.
        """
        return self.answered_seconds + self.in_flight * now - self.started_sum


class Application(Protocol):
    """Answers requests. The last three methods call `request.answer`, now or later, and raise
    nothing."""

    def is_vital(self, request: Request) -> bool:
        """Whether a request is answered even if there are too many connections, as probes are."""

    def admit(self, request: Request) -> None:
        """Let the body of a request arrive, whose head has arrived.

        Raises RequestError to refuse it.
        """

    def handle(self, request: Request) -> None:
        """Answer a complete request."""

    def refused(self, request: Request, error: RequestError) -> None:
        """Answer a request that was incomplete or outside the limits."""

    def timed_out(self, request: Request) -> None:
        """Answer a request whose time is up. Work that still runs for it is discarded."""
