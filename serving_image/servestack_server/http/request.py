"""A request, and the one way to answer it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from servestack_server.http.request_id import is_fit, new_id
from servestack_server.http.response import JSON, encode_any


class Respond(Protocol):
    """Sends an answer to the caller of a request, if the connection is still open."""

    def __call__(
        self, request: Request, status: int, content_type: bytes, headers: bytes, body: bytes
    ) -> None: ...


Held: TypeAlias = "tuple[Request, int, int, bytes, bytes, bytes]"
"""An answer that may not leave yet: the request, its status, the status that the caller sees, and
the content type, headers and body."""


class Request:
    """One request. `headers` has lower-case names; `started` is time.perf_counter() in seconds.

    `seconds` is the time from the first byte to the answer, and 0 before the answer. The application
    sets `route`, `kept` (data that the answer needs again), `answer_headers` (whole lines, in every
    answer to this request), `on_answered`, which is called with the request and the status, and
    `hold`, which takes the answer until the application hands it to `respond` and calls
    `on_answered`; without it `answer` does so at once. `assigned` is what its events say in addition.
    """

    __slots__ = (
        "_id", "answer_headers", "answered", "assigned", "body", "headers", "hold", "keep_alive", "kept", "method",
        "on_answered", "path", "query", "respond", "route", "seconds", "started",
    )  # fmt: skip

    def __init__(self, respond: Respond, started: float) -> None:
        self.respond = respond
        self.started = started
        self.method = b""
        self.path = ""
        self.query = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes = b""
        self.keep_alive = True
        self.answered = False
        self.seconds = 0.0
        self.answer_headers = b""
        self.assigned = b""
        self.route: Any = None
        self.kept: Any = None
        self.on_answered: Callable[[Request, int], None] | None = None
        self.hold: Callable[[Held], None] | None = None
        self._id = b""

    @property
    def id_bytes(self) -> bytes:
        """The caller's X-Request-Id if it is valid, else a new id. Safe in headers and JSON."""
        if not self._id:
            given = self.headers.get(b"x-request-id")
            self._id = given if given is not None and is_fit(given) else new_id()
        return self._id

    @property
    def id(self) -> str:
        """The id as text: see `id_bytes`."""
        return self.id_bytes.decode("ascii")

    def answer(
        self, status: int, body: bytes, content_type: bytes = JSON, headers: bytes = b"",
        *, shown: int = 0,
    ) -> None:  # fmt: skip
        """Send the answer. A second call does nothing.

        `headers` are whole lines, each with its CRLF. `shown` is the status that the caller sees,
        if it is not `status`.
        """
        if self.answered:
            return
        self.answered = True
        self.seconds = time.perf_counter() - self.started
        headers += self.answer_headers
        if self.hold is not None:
            self.hold((self, status, shown or status, content_type, headers, body))
            return
        self.respond(self, shown or status, content_type, headers, body)
        if self.on_answered is not None:
            self.on_answered(self, status)

    def answer_json(self, status: int, value: Any, headers: bytes = b"", *, shown: int = 0) -> None:
        """Send a value as JSON. The arguments are those of `answer`."""
        self.answer(status, encode_any(value), JSON, headers, shown=shown)
