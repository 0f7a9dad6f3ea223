"""Takes copies of answered requests, keeps a bounded number of them, and sends them to the shadow."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import perf_counter

from servestack_contract.shadow import RESULTS, ShadowTraffic, crc_limit, is_copied
from servestack_server.http.request import Request
from servestack_server.shadow.connection import ShadowConnection

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 16
"""Copies under way at a time: so many requests of one pod the shadow gets at once."""
_CONNECT_SECONDS = 2.0
_RETRY_SECONDS = 1.0
"""How long no connection is tried after one that failed."""
_LIFE_SECONDS = 60.0
"""How long a connection is used: a Service chooses a pod for each connection, so that only new ones
reach a pod that has come. Shorter than a server keeps an idle one, so that this side closes first."""
_SWEEP_SECONDS = 0.25
_SAY_SECONDS = 60.0
_COPIED_HEADERS = (b"content-type", b"content-encoding", b"inference-header-content-length",
                   b"accept", b"traceparent")  # fmt: skip
"""Headers on which an answer depends, and the trace. No others are copied: no credentials, no
cookies, and nothing that holds for the caller's connection alone."""


class Copies:
    """The queue, the connections and the counts. Belongs to the event loop's thread.

    `counts` has (result, reason) of every copy that has ended; with `waiting` they make up all that
    were taken. `is_on` says whether `take` is to be called.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.counts: dict[tuple[str, str], int] = {}
        self._traffic = ShadowTraffic("")
        self._limit = 0
        self._host = b""
        self._queue: deque[tuple[bytes, float]] = deque()
        self._held = 0
        self._held_bytes = 0
        self._connections: set[ShadowConnection] = set()
        self._idle: list[ShadowConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._retry_at = 0.0
        self._is_scheduled = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._said_at = -_SAY_SECONDS
        self._said: dict[tuple[str, str], int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """The number of copies that wait or are under way."""
        return self._held

    def change(self, traffic: ShadowTraffic | None) -> None:
        """Copy as `traffic` says from now on; None: copy nothing, and drop what waits.

        Copies under way are ended as they would have been. Call it in the event loop.
        """
        self._loop = asyncio.get_running_loop()
        before = self._traffic
        self.is_on = traffic is not None
        if traffic is None:
            self._drop_queue("turned_off")
            self._leave()
            return
        # Prometheus sees no increase in a series that is new: each must begin at 0.
        self.counts = dict.fromkeys(RESULTS, 0) | self.counts
        self._traffic = traffic
        self._limit = crc_limit(traffic.percent)
        self._host = f"{traffic.host}:{traffic.port}".encode()
        if (before.host, before.port) != (traffic.host, traffic.port):
            self._retry_at = 0.0
            self._leave()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def take(self, path: bytes, request: Request) -> None:
        """Take a copy of a request that has its answer. `path` is the shadow's, without a query.

        It neither waits nor raises for what the shadow does. Each copy is counted in the end.
        """
        request_id = request.id_bytes
        if not is_copied(request_id, self._limit):
            return
        now = perf_counter()
        if now < self._retry_at and not self._connections:
            self._count("dropped", "unreachable")
            return
        copy = self._copy(path, request_id, request)
        size = len(copy)
        traffic = self._traffic
        if self._held >= traffic.max_queue or self._held_bytes + size > traffic.max_queued_bytes:
            self._count("dropped", "queue_full")
            return
        self._held += 1
        self._held_bytes += size
        self._queue.append((copy, now))
        if not self._is_scheduled:
            self._is_scheduled = True
            # After the other answers of this turn of the event loop.
            self._loop.call_soon(self._send)  # type: ignore[union-attr]

    def _copy(self, path: bytes, request_id: bytes, request: Request) -> bytes:
        headers = request.headers
        lines = b"".join(
            [b"%b: %b\r\n" % (name, headers[name]) for name in _COPIED_HEADERS if name in headers]
        )
        query = b"?" + request.query if request.query else b""
        return b"%b %b%b HTTP/1.1\r\nhost: %b\r\nx-request-id: %b\r\ncontent-length: %d\r\n%b\r\n%b" % (
            request.method, path, query, self._host, request_id, len(request.body), lines, request.body,
        )  # fmt: skip

    def _send(self) -> None:
        """Give what waits to idle connections, and open further ones."""
        self._is_scheduled = False
        queue, idle, now = self._queue, self._idle, perf_counter()
        oldest = now - self._traffic.timeout_seconds
        while queue:
            copy, taken = queue[0]
            if taken < oldest:
                queue.popleft()
                self._drop(copy, "expired")
            elif idle:
                queue.popleft()
                idle.pop().send(copy)
            else:
                break
        opened = len(self._connections) + len(self._connecting)
        if (
            len(queue) > len(self._connecting)
            and opened < MAX_CONNECTIONS
            and now >= self._retry_at
        ):
            task = asyncio.ensure_future(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        traffic, loop = self._traffic, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: ShadowConnection(self._ended, self._closed), traffic.host, traffic.port
                )
        except (OSError, TimeoutError, UnicodeError):
            self._retry_at = perf_counter() + _RETRY_SECONDS
            if not self._connections:
                self._drop_queue("unreachable")
            return
        now = self._traffic
        if (traffic.host, traffic.port) != (now.host, now.port):
            connection.transport.close()  # The shadow has moved meanwhile.
        if connection.transport.is_closing():
            return
        self._connections.add(connection)
        self._idle.append(connection)
        self._loop.call_soon(self._send)  # type: ignore[union-attr]

    def _ended(self, connection: ShadowConnection, reason: str) -> None:
        """Count a copy that was sent, and send the next one on its connection."""
        self._held -= 1
        self._held_bytes -= connection.size_bytes
        self._count("sent", reason)
        if connection in self._connections:
            self._idle.append(connection)
        if self._queue and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._send)  # type: ignore[union-attr]

    def _closed(self, connection: ShadowConnection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _drop(self, copy: bytes, reason: str) -> None:
        self._held -= 1
        self._held_bytes -= len(copy)
        self._count("dropped", reason)

    def _drop_queue(self, reason: str) -> None:
        while self._queue:
            self._drop(self._queue.popleft()[0], reason)

    def _leave(self) -> None:
        """Close every connection."""
        for connection in tuple(self._connections):
            self._close(connection)

    def _close(self, connection: ShadowConnection) -> None:
        """Close a connection: at once if it is idle, else when its copy has ended."""
        connection.is_leaving = True
        if not connection.busy_since:
            self._closed(connection)
            connection.transport.close()

    def _count(self, result: str, reason: str) -> None:
        key = result, reason
        self.counts[key] = self.counts.get(key, 0) + 1

    def _sweep(self) -> None:
        """End what takes too long, close what is old, and say what went wrong."""
        now, limit = perf_counter(), self._traffic.timeout_seconds
        for connection in tuple(self._connections):
            if connection.busy_since and now - connection.busy_since > limit:
                connection.end("timeout", close=True)
            elif now - connection.opened > _LIFE_SECONDS:
                self._close(connection)
        if self._queue and not self._is_scheduled:
            self._send()
        self._say(now)
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)  # type: ignore[union-attr]

    def _say(self, now: float) -> None:
        """Log what was dropped or failed since the last time, once a minute at most."""
        if now - self._said_at < _SAY_SECONDS:
            return
        words = [
            f"{count - self._said.get(key, 0)} {key[0]} ({key[1]})"
            for key, count in self.counts.items()
            if key != ("sent", "answered") and count > self._said.get(key, 0)
        ]
        if words:
            self._said_at, self._said = now, dict(self.counts)
            log.warning("copies for the shadow at %s: %s", self._host.decode(), ", ".join(words))

    async def close(self, seconds: float) -> None:
        """Take no more, and send what waits for up to `seconds`; then drop it. Nothing is uncounted."""
        self.is_on = False
        deadline = perf_counter() + seconds
        while self._held and perf_counter() < deadline:
            await asyncio.sleep(0.02)
        self._drop_queue("stopping")
        for task in tuple(self._connecting):
            task.cancel()
        for connection in tuple(self._connections):
            connection.end("lost", close=True)
            connection.transport.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if any(self.counts.values()):
            words = [f"{n} {result} ({why})" for (result, why), n in self.counts.items() if n]
            log.info("copies for the shadow: %s", ", ".join(words))
