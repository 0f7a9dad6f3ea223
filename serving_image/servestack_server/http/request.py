"""A request, and the one way to answer it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from servestack_server.http.request_id import is_fit, new_id
from servestack_server.http.response import JSON, encode_json


class Respond(Protocol):
    """Sends an answer to the caller of a request, if there still is one."""

    def __call__(
        self, request: Request, status: int, content_type: bytes, headers: bytes, body: bytes
    ) -> None: ...


class Request:
    """One request. `headers` has lower-case names; `started` is time.perf_counter() in seconds.

    `seconds` is the time from the first byte to the answer, 0 before it. The application's own are
    `route`, `kept` (what is needed again for the answer), `answer_headers` (whole lines, in every
    answer to this request) and `on_answered`, which is called with the request and the status.
    """

    __slots__ = (
        "_id", "_respond", "answer_headers", "answered", "body", "headers", "keep_alive", "kept",
        "method", "on_answered", "path", "query", "route", "seconds", "started",
    )  # fmt: skip

    def __init__(self, respond: Respond, started: float) -> None:
        self._respond = respond
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
        self.route: Any = None
        self.kept: Any = None
        self.on_answered: Callable[[Request, int], None] | None = None
        self._id = b""

    @property
    def id_bytes(self) -> bytes:
        """The caller's X-Request-Id where it is fit to be one, else a new id. Safe in JSON."""
        if not self._id:
            given = self.headers.get(b"x-request-id")
            self._id = given if given is not None and is_fit(given) else new_id()
        return self._id

    @property
    def id(self) -> str:
        """The same as text."""
        return self.id_bytes.decode("ascii")

    def answer(
        self, status: int, body: bytes, content_type: bytes = JSON, headers: bytes = b"",
        *, shown: int = 0,
    ) -> None:  # fmt: skip
        """Send the answer. `headers` are whole lines. A second answer is left out.

        `shown` is the status that the caller sees, where that is another one.
        """
        if self.answered:
            return
        self.answered = True
        self._respond(self, shown or status, content_type, headers + self.answer_headers, body)
        self.seconds = time.perf_counter() - self.started
        if self.on_answered is not None:
            self.on_answered(self, status)

    def answer_json(self, status: int, value: Any, headers: bytes = b"", *, shown: int = 0) -> None:
        """Send a value as JSON."""
        self.answer(status, encode_json(value), JSON, headers, shown=shown)
