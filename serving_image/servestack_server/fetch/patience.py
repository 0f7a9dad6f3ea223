"""How often a failed action is tried again, and how long each wait is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from servestack_server.errors import StartError
from servestack_server.fetch.sources.source import PassingError, Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """The number of attempts, and the waits between them.

    Waits double from the first to the longest one. A server may ask for a longer wait, up to
    `longest_asked_seconds`.
    """

    tries: int = 6
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    longest_asked_seconds: float = 120.0

    def wait_seconds(self, failures: int, asked_seconds: float) -> float:
        """Return the seconds before the next attempt.

        They are random between half and all of the wait, so that pods do not retry all at once.
        `asked_seconds` is the wait that the server asks for.
        """
        wait = min(self.first_wait_seconds * 2.0 ** (failures - 1), self.longest_wait_seconds)
        asked = min(asked_seconds, self.longest_asked_seconds)
        return max(wait * random.uniform(0.5, 1.0), asked)


class Tries:
    """Counts the failures of one action in a row, waits after each, and gives up after the last."""

    def __init__(self, patience: Patience, source: Source, say: Callable[[str], None]) -> None:
        self._patience = patience
        self._source = source
        self._say = say
        self._failures = 0

    def failed(self, error: PassingError) -> None:
        """Wait before the next attempt. Raises StartError if this was the last one."""
        self._failures += 1
        if self._failures >= self._patience.tries:
            count = f", {self._failures} times in a row" if self._failures > 1 else ""
            message = f"{self._source.shown}: {error.reason}{count}"
            raise StartError(message, self._source.hint) from None
        wait = self._patience.wait_seconds(self._failures, error.retry_after_seconds)
        self._say(f"{self._source.shown}: {error.reason}; trying again in {wait:.1f} s")
        time.sleep(wait)

    def progressed(self) -> None:
        """Start counting failures from zero, because there was progress."""
        self._failures = 0

    def until_done(self, action: Callable[[], T]) -> T:
        """Call `action` until it succeeds, and return its result. Raises StartError as `failed`."""
        while True:
            try:
                return action()
            except PassingError as error:
                self.failed(error)
