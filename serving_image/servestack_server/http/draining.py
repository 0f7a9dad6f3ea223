"""Reads what callers still send on connections that end: of a few at a time.

A caller that sends a body before it reads its answer would lose the answer if the connection were
closed at once. Many such bodies together would keep the event loop from everybody else: libuv reads
a socket up to 32 times in a row, up to 256 kB each, which takes 0.1 to 0.3 ms. So each connection is
read once a turn of the event loop.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol

_AT_A_TIME = 2


class Ending(Protocol):
    """A connection that has given its last answer, and since when it lingers."""

    lingering_since: float

    @property
    def transport(self) -> asyncio.Transport: ...


class Draining:
    """The connections whose last bytes are read, and those that wait for their turn."""

    def __init__(self) -> None:
        self._reading: set[Ending] = set()
        self._waiting: dict[Ending, None] = {}  # in the order of their turns

    def received(self, connection: Ending) -> None:
        """Read on from a connection that has sent something, once its turn has come."""
        connection.transport.pause_reading()
        if connection in self._reading or len(self._reading) < _AT_A_TIME:
            self._reading.add(connection)
            asyncio.get_running_loop().call_soon(self._read_on, connection)
        else:
            self._waiting[connection] = None

    def is_waiting(self, connection: Ending) -> bool:
        """Whether its turn has not come yet."""
        return connection in self._waiting

    def gone(self, connection: Ending) -> None:
        """Give the turn of a connection that has closed to the next one, which lingers from now on."""
        self._waiting.pop(connection, None)
        self._reading.discard(connection)
        while self._waiting and len(self._reading) < _AT_A_TIME:
            following = next(iter(self._waiting))
            del self._waiting[following]
            self._reading.add(following)
            following.lingering_since = perf_counter()
            self._read_on(following)

    def _read_on(self, connection: Ending) -> None:
        if not connection.transport.is_closing():
            connection.transport.resume_reading()
