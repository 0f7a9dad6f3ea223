"""Reads what callers still send on connections that end: of a few at a time.

A caller that sends a body before it reads its answer would lose the answer if the connection were
closed at once. Many such bodies together would keep the event loop from everybody else.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol

_AT_A_TIME = 8


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
        """Go on reading from a connection that has sent something, or stop until its turn comes."""
        if connection in self._reading:
            return
        if len(self._reading) < _AT_A_TIME:
            self._reading.add(connection)
        else:
            connection.transport.pause_reading()
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
            following.transport.resume_reading()
