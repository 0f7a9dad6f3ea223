"""One connection to the shadow: it sends a copy, waits for the end of its answer, and tells how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

import httptools

_REFUSED, _FAILED = 300, 500


class ShadowConnection(asyncio.Protocol):
    """The protocol of one socket. Nothing of an answer is kept but its status.

    `ended` is called with the connection and the reason (see `servestack_contract.shadow.SENT`) once
    for each copy, `closed` when the socket is gone. A copy that failed is never sent again: the shadow
    may have answered it. `is_leaving`: the connection closes when its copy has ended.
    """

    __slots__ = (
        "_closed",
        "_ended",
        "_parser",
        "busy_since",
        "is_leaving",
        "opened",
        "size_bytes",
        "transport",
    )  # fmt: skip

    def __init__(
        self,
        ended: Callable[[ShadowConnection, str], None],
        closed: Callable[[ShadowConnection], None],
    ) -> None:
        self._ended = ended
        self._closed = closed
        self._parser: Any = None
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.busy_since = 0.0
        self.opened = perf_counter()
        self.size_bytes = 0
        self.is_leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self.transport = transport  # type: ignore[assignment]

    def send(self, copy: bytes) -> None:
        """Send one copy, a whole request. Only while the connection is idle."""
        self.busy_since = perf_counter()
        self.size_bytes = len(copy)
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(copy)

    def data_received(self, data: bytes) -> None:
        """Parse a part of the answer."""
        if not self.busy_since:
            self.transport.abort()  # Nothing was asked, or it says more than its answer.
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end("malformed", close=True)

    def on_message_complete(self) -> None:
        """Tell what the status says, unless it is one that another answer follows."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        reason = "answered" if status < _REFUSED else "refused" if status < _FAILED else "failed"
        self.end(reason, close=not self._parser.should_keep_alive())

    def connection_lost(self, exc: Exception | None) -> None:
        """The shadow or this side has closed the connection."""
        self._closed(self)
        self.end("lost", close=False)
        # The parser refers to this connection: without the circle both are freed at once.
        self._parser = None

    def end(self, reason: str, *, close: bool) -> None:
        """Tell how the copy ended, once, and be idle or close."""
        if not self.busy_since:
            return
        self.busy_since = 0.0
        if close or self.is_leaving:
            # At once: what it still sends is of no use, and must not be taken for the next answer.
            self.transport.abort()
            self._closed(self)
        self._ended(self, reason)
