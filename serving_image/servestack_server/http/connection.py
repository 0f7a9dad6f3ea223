"""One connection of a caller: it parses requests, hands them on, and writes the answers in order.

A request is handed on when it is complete, and the next one of the same connection only after its
answer, so that pipelined requests are answered in order. A request that breaks a limit gets an
error, and the connection is closed. Before that, the connection reads for a moment what still
arrives: closing at once would send a reset, which can destroy the answer (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from time import perf_counter
from typing import Any

import httptools

from servestack_server.errors import RequestError
from servestack_server.http import response
from servestack_server.http.request import Request
from servestack_server.http.state import SPARE_CONNECTIONS, SPARE_SECONDS, Application, State
from servestack_server.http.upgrade import head_without_upgrade

MAX_HEAD_BYTES = 32 << 10
MAX_PIPELINED = 16
_LINGER_SECONDS = 2.0
_CHUNKING = 8
"""Bytes on the wire per byte of the body, if it arrives in the smallest chunks."""


class Connection(asyncio.Protocol):
    """The protocol of one socket. It is in the set `connections` as long as it is open."""

    __slots__ = (
        "_application", "_body", "_body_bytes", "_connections", "_head_bytes", "_hosts", "_incoming",
        "_parser", "_pending_bytes", "_spare", "_starting", "_state", "_upgrading", "_waiting", "active",
        "last_used", "lingering_since", "paused", "transport",
    )  # fmt: skip

    def __init__(
        self, state: State, application: Application, connections: set[Connection]
    ) -> None:
        self._state = state
        self._application = application
        self._connections = connections
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.active: Request | None = None
        self.paused = False
        self.lingering_since = 0.0
        self.last_used = perf_counter()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._incoming: Request | None = None
        self._waiting: deque[Request] = deque()
        self._body: bytes | bytearray = b""
        self._body_bytes = 0
        self._head_bytes = 0
        self._hosts = 0
        self._pending_bytes = 0
        self._spare = False
        self._starting = False
        self._upgrading = False

    # Called by the event loop, for the socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection; refuse it (503) if there are too many."""
        self.transport = transport  # type: ignore[assignment]
        self._connections.add(self)
        beyond = len(self._connections) - self._state.max_connections
        self._spare = beyond > 0
        if beyond > SPARE_CONNECTIONS:
            self._refuse_with(_too_many_connections())

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up: the caller has gone, or the server has closed the connection."""
        self._connections.discard(self)
        if self.lingering_since:
            self._state.draining.gone(self)
        self._drop_incoming()
        if self.active is not None:
            self.active.answered = True  # Nobody can receive an answer any more.
            self._finish(self.active)
        self._drop_waiting()
        # The parser refers to this connection: without the circle both are freed at once.
        self._parser = None

    def data_received(self, data: bytes) -> None:
        """Parse bytes, which may hold a part of a request or several requests."""
        if self.lingering_since:
            self._state.draining.received(self)
            return
        begun = self._incoming
        try:
            while data and not self.lingering_since:
                try:
                    self._parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as upgrade:
                    data = self._without_upgrade(data[upgrade.args[0] :])
            if begun is not None and begun is self._incoming:
                self._pending_bytes += len(data)
                self._check_pending(begun)
        except RequestError as error:
            self._refuse_with(error)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, RequestError):
                self._refuse_with(cause)
            else:
                raise
        except httptools.HttpParserError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, "malformed_request", str(error))

    def eof_received(self) -> bool:
        """Keep the connection open if answers are due: the caller sends no more but may read."""
        if self.active is None and not self._waiting:
            return self.paused
        self._last().keep_alive = False
        return True

    def pause_writing(self) -> None:
        """Stop reading from a caller that does not read its answers."""
        self.paused = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Continue, because the caller reads its answers again."""
        self.paused = False
        if self.active is None and not self._starting:
            self._start_waiting()
        elif len(self._waiting) < MAX_PIPELINED:
            self.transport.resume_reading()

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Start a request, at its first byte."""
        self._incoming = Request(self.respond, perf_counter())
        self._state.receiving += 1
        self._head_bytes = self._pending_bytes = self._hosts = 0

    def on_url(self, url: bytes) -> None:
        """Take the request's target, which may come in pieces."""
        request = self._incoming
        self._head_bytes += len(url)
        request.query += url  # type: ignore[union-attr]
        if self._head_bytes > MAX_HEAD_BYTES:
            raise RequestError(HTTPStatus.REQUEST_URI_TOO_LONG, "too_long", "the path is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a whole header. Trailers, which come after the body, are ignored."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise RequestError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too_long", "the headers are too long"
            )
        if not self._incoming.method:  # type: ignore[union-attr]
            name = name.lower()
            if name == b"host":
                self._hosts += 1
            self._incoming.headers[name] = value  # type: ignore[union-attr]

    def on_headers_complete(self) -> None:
        """Check the headers, before the body arrives."""
        request: Request = self._incoming  # type: ignore[assignment]
        request.method = self._parser.get_method()
        target, _, request.query = request.query.partition(b"?")
        request.path = target.decode("latin-1")
        request.keep_alive = self._parser.should_keep_alive()
        if self._hosts != 1 and (self._hosts or self._parser.get_http_version() != "1.0"):
            raise RequestError(  # RFC 9112, 3.2
                HTTPStatus.BAD_REQUEST,
                "malformed_request",
                "a request must have exactly one Host header",
            )
        if self._spare:
            request.keep_alive = False
            if not self._application.is_vital(request):
                raise _too_many_connections()
        length = request.headers.get(b"content-length", b"")
        if length not in (b"", b"0") or b"transfer-encoding" in request.headers:
            self._application.admit(request)
        if length and int(length) > self._state.max_body_bytes:
            raise self._too_large()
        if self._parser.should_upgrade():
            if request.method == b"CONNECT":
                raise RequestError(
                    HTTPStatus.NOT_IMPLEMENTED, "no_proxy", "this server is not a proxy"
                )
            self._upgrading = True
        if request.headers.get(b"expect", b"").lower() == b"100-continue" and self.active is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        state = self._state
        size = len(body)
        self._body_bytes += size
        state.buffered_bytes += size
        if self._body_bytes > state.max_body_bytes:
            raise self._too_large()
        if state.buffered_bytes > state.max_buffered_bytes:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too_much_buffered",
                "the server holds as many bytes of requests as it may",
                retry_after_seconds=1,
            )
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            # One buffer instead of a list: a piece may be one byte.
            self._body = bytearray(self._body + body)

    def on_message_complete(self) -> None:
        """Hand on a complete request, or queue it behind the one that is being answered."""
        if self._upgrading:
            return  # Its body has not arrived yet: see _without_upgrade.
        if self.lingering_since:
            self._drop_incoming()
            return  # It arrived after the last request that this connection answers.
        request: Request = self._incoming  # type: ignore[assignment]
        request.body = bytes(self._body)  # The same object, if it came in one piece.
        self._body = b""
        self._body_bytes = 0
        self._stop_receiving()
        if self.active is None and not self.paused:
            self._start(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= MAX_PIPELINED:
            self.transport.pause_reading()

    # Called by the application and the server.

    def respond(
        self, request: Request, status: int, content_type: bytes, headers: bytes, body: bytes
    ) -> None:
        """Write an answer, then start the next request that waits."""
        if request is not self.active:
            return
        if self._state.stopping and not self._waiting and self._incoming is None:
            request.keep_alive = False
        if not request.keep_alive:
            headers += b"connection: close\r\n"
        elif b"connection" in request.headers:
            # A caller of HTTP/1.0 waits for the connection to close unless a header says keep-alive.
            headers += b"connection: keep-alive\r\n"
        head = response.head(
            status, self._state.date, content_type, len(body), request.id_bytes, headers
        )
        self.transport.write(head if request.method == b"HEAD" else head + body)
        self.last_used = perf_counter()
        self._finish(request)
        if not request.keep_alive:
            self._linger()
        elif self._waiting and not self._starting:
            self._start_waiting()

    def sweep(self, now: float) -> None:
        """End what takes too long. The server calls it every SWEEP_SECONDS.

        `now` is time.perf_counter() in seconds.
        """
        state = self._state
        arrives_in = SPARE_SECONDS if self._spare else state.timeout_seconds
        if self.lingering_since:
            is_waiting = state.draining.is_waiting(self)
            limit = state.timeout_seconds if is_waiting else _LINGER_SECONDS
            if now - self.lingering_since > limit:
                self.transport.abort()
        elif self.paused and now - self.last_used > state.timeout_seconds:
            self.transport.abort()  # The caller does not read its answers.
        elif self.active is not None:
            if now - self.active.started > state.timeout_seconds:
                self._application.timed_out(self.active)
        elif self._incoming is not None:
            if now - self._incoming.started > arrives_in:
                self._refuse(
                    HTTPStatus.REQUEST_TIMEOUT, "slow_request", "the request did not arrive in time"
                )
        elif now - self.last_used > (SPARE_SECONDS if self._spare else state.keep_alive_seconds):
            self.transport.close()

    def close_when_idle(self, now: float, idle_seconds: float) -> None:
        """Close the connection if it has had no request for `idle_seconds`."""
        busy = self.active or self._incoming or self.lingering_since
        if not busy and now - self.last_used >= idle_seconds:
            self.transport.close()

    def _start(self, request: Request) -> None:
        self.active = request
        self._state.enter(request.started)
        self._application.handle(request)

    def _finish(self, request: Request) -> None:
        """Forget the active request, which has its answer or cannot get one."""
        self.active = None
        self._state.leave(request.started, perf_counter())
        self._state.buffered_bytes -= len(request.body)

    def _start_waiting(self) -> None:
        """Start the requests that wait. A loop, because many may be answered at once."""
        self._starting = True
        while self._waiting and self.active is None and not (self.lingering_since or self.paused):
            self._start(self._waiting.popleft())
        self._starting = False
        if not self.paused and len(self._waiting) < MAX_PIPELINED:
            self.transport.resume_reading()

    def _last(self) -> Request:
        return self._waiting[-1] if self._waiting else self.active  # type: ignore[return-value]

    def _check_pending(self, request: Request) -> None:
        """Limit the bytes of an unfinished request: the parser keeps a header until it is whole."""
        if not request.method and self._pending_bytes > MAX_HEAD_BYTES:
            raise RequestError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too_long", "the headers are too long"
            )
        if self._pending_bytes > _CHUNKING * self._state.max_body_bytes + MAX_HEAD_BYTES:
            raise self._too_large()

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Return the bytes to parse again, for a request that offers another protocol."""
        request: Request = self._incoming  # type: ignore[assignment]
        self._drop_incoming()
        self._upgrading = False
        self._parser = httptools.HttpRequestParser(self)
        return head_without_upgrade(request) + rest

    def _stop_receiving(self) -> None:
        if self._incoming is not None:
            self._incoming = None
            self._state.receiving -= 1

    def _drop_incoming(self) -> None:
        """Forget a request that is partly received, with what there is of its body."""
        self._state.buffered_bytes -= self._body_bytes
        self._body = b""
        self._body_bytes = 0
        self._stop_receiving()

    def _drop_waiting(self) -> None:
        for request in self._waiting:
            self._state.buffered_bytes -= len(request.body)
        self._waiting.clear()

    def _too_large(self) -> RequestError:
        return RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_large",
            f"the body is larger than {self._state.max_body_bytes:,} bytes",
        )

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        self._refuse_with(RequestError(status, code, message))

    def _refuse_with(self, error: RequestError) -> None:
        """Answer a request that cannot be handed on, and close. Earlier answers go first."""
        request = self._incoming or Request(self.respond, perf_counter())
        request.keep_alive = False
        self._drop_incoming()
        if self.active is not None or self._waiting:
            # Earlier requests are answered first; then the connection ends.
            self._last().keep_alive = False
            return
        self.active = request
        self._state.enter(request.started)
        self._application.refused(request, error)

    def _linger(self) -> None:
        """Close for writing, and read for a moment what still arrives."""
        self._drop_waiting()
        self.lingering_since = perf_counter()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        if self.paused:
            self.transport.resume_reading()


def _too_many_connections() -> RequestError:
    return RequestError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_connections",
        "the server has too many open connections",
        retry_after_seconds=1,
    )
