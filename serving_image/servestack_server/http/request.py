"""A request, and the one way to answer it."""

from __future__ import annotations

import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from servestack_server.errors import RequestError

if TYPE_CHECKING:
    from servestack_server.http.connection import Connection
    from servestack_server.metrics import EndpointMetrics

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}
_ID_LENGTHS = range(8, 129)
_ID_CHARACTERS = frozenset(range(0x21, 0x7F)) - frozenset(b'"\\')


def _plain(value: Any) -> Any:
    """What numpy and the owner's code put into lists. TypeError for what is no value."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a value of JSON")


encode_json = msgspec.json.Encoder(enc_hook=_plain).encode


class RequestIds:
    """Ids that no other process makes: random for the process, counted within it.

    Written as UUIDs are, version 4 in form, so that consumers may keep them in such a column.
    """

    def __init__(self) -> None:
        head = os.urandom(8).hex()
        self._prefix = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-"
        self._counter = int.from_bytes(os.urandom(6)) << 8

    def next(self) -> str:
        """An id of 36 characters."""
        self._counter = count = (self._counter + 1) & 0x3FFF_FFFF_FFFF_FFFF
        digits = f"{count | 0x8000_0000_0000_0000:016x}"
        return f"{self._prefix}{digits[:4]}-{digits[4:]}"


_ids = RequestIds()
new_id = _ids.next


class Request:
    """One request. `headers` has lower-case names; `started` is time.perf_counter() in seconds."""

    __slots__ = (
        "_id", "answered", "body", "connection", "endpoint", "headers", "keep_alive", "method",
        "ok200", "on_answered", "path", "query", "started",
    )  # fmt: skip

    def __init__(self, connection: Connection, started: float) -> None:
        self.connection = connection
        self.started = started
        self.method = b""
        self.path = ""
        self.query = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes = b""
        self.keep_alive = True
        self.answered = False
        self.ok200 = False
        self.endpoint: EndpointMetrics | None = None
        self.on_answered: Any = None
        self._id: str = ""

    @property
    def id(self) -> str:
        """The caller's X-Request-Id where it is fit to be one, else a new id."""
        if not self._id:
            given = self.headers.get(b"x-request-id", b"")
            fit = len(given) in _ID_LENGTHS and _ID_CHARACTERS.issuperset(given)
            self._id = given.decode("ascii") if fit else new_id()
        return self._id

    @property
    def seconds(self) -> float:
        """Time since the first byte."""
        return time.perf_counter() - self.started

    def answer(
        self, status: int, body: bytes, content_type: bytes = JSON, headers: bytes = b""
    ) -> None:
        """Send the answer. `headers` are whole lines. A second answer is left out."""
        if self.answered:
            return
        self.answered = True
        if self.connection.server.stopping and self.connection.is_last():
            self.keep_alive = False
        shown = 200 if self.ok200 and status >= 400 else status
        trace = self.headers.get(b"traceparent")
        if trace is not None:
            headers += b"traceparent: %b\r\n" % trace
        self.connection.send(
            self,
            b"%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b\r\n"
            % (
                _STATUS_LINES[shown],
                content_type,
                len(body),
                self.id.encode(),
                headers,
                self._told_connection(),
            ),
            body,
        )
        if self.endpoint is not None:
            self.endpoint.count(status, time.perf_counter() - self.started)
        if self.on_answered is not None:
            self.on_answered(self, status)

    def _told_connection(self) -> bytes:
        if not self.keep_alive:
            return b"connection: close\r\n"
        # A caller of HTTP/1.0 waits for the close unless it is told that there is none.
        return b"connection: keep-alive\r\n" if b"connection" in self.headers else b""

    def answer_json(self, status: int, value: Any, headers: bytes = b"") -> None:
        """Send a value as JSON."""
        self.answer(status, encode_json(value), JSON, headers)

    def told(self, error: RequestError) -> dict[str, Any]:
        """An error as JSON has it; with the status where the answer's own says 200."""
        told: dict[str, Any] = {"code": error.code, "message": error.message}
        if self.ok200:
            told["status"] = int(error.status)
        if error.field:
            told["field"] = error.field
        if error.row is not None:
            told["row"] = error.row
        return told

    def fail(self, error: RequestError) -> None:
        """Send an error as JSON, with its stable code."""
        headers = error.headers
        if error.retry_after_seconds is not None:
            headers += b"retry-after: %d\r\n" % error.retry_after_seconds
        told: dict[str, Any] = {"error": self.told(error), "id": self.id}
        if self.path.startswith("/v2/"):
            told = {"error": error.message, "code": error.code, "id": self.id}
        self.answer_json(int(error.status), told, headers)
