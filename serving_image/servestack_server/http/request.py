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
        self._prefix = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-".encode()
        self._counter = int.from_bytes(os.urandom(6)) << 8

    def next(self) -> bytes:
        """An id of 36 characters."""
        self._counter = count = (self._counter + 1) & 0x3FFF_FFFF_FFFF_FFFF
        return b"%b%04x-%012x" % (self._prefix, 0x8000 | count >> 48, count & 0xFFFF_FFFF_FFFF)


_ids = RequestIds()


def new_id() -> str:
    """A new id, as text."""
    return _ids.next().decode("ascii")


def _is_fit(given: bytes) -> bool:
    return len(given) in _ID_LENGTHS and _ID_CHARACTERS.issuperset(given)


class Request:
    """One request. `headers` has lower-case names; `started` is time.perf_counter() in seconds.

    `seconds` is the time from the first byte to the answer, 0 before it. `rows_json` holds the
    rows as the caller wrote them, where they are one line of JSON that can be logged as it is;
    `asked` what a protocol needs of the body for its answer.
    """

    __slots__ = (
        "_id", "answered", "asked", "body", "connection", "endpoint", "headers", "keep_alive",
        "method", "ok200", "on_answered", "path", "query", "rows_json", "seconds", "started",
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
        self.seconds = 0.0
        self.rows_json = b""
        self.asked: Any = None
        self._id = b""

    @property
    def id_bytes(self) -> bytes:
        """The caller's X-Request-Id where it is fit to be one, else a new id. Safe in JSON."""
        if not self._id:
            given = self.headers.get(b"x-request-id")
            if given is None or not _is_fit(given):
                given = _ids.next()
            self._id = given
        return self._id

    @property
    def id(self) -> str:
        """The same as text."""
        return self.id_bytes.decode("ascii")

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
                self.id_bytes,
                headers,
                self._told_connection(),
            ),
            body,
        )
        self.seconds = seconds = time.perf_counter() - self.started
        if self.endpoint is not None:
            self.endpoint.count(status, seconds)
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
