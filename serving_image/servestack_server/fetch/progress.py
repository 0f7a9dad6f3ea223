"""How far a download is: at most a line a second, made for logs."""

from __future__ import annotations

import time
from collections.abc import Callable

_MEGABYTE = 1_000_000
_PERIOD_SECONDS = 1.0


class Progress:
    """Bytes of one artifact, `total_bytes` where its source says so."""

    def __init__(
        self,
        name: str,
        total_bytes: int | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self.total_bytes = total_bytes
        self._say = say
        self._clock = clock
        self._began = self._said = clock()
        self._whole_bytes = 0
        self._part_bytes = 0
        self._moved_bytes = 0

    @property
    def there_bytes(self) -> int:
        """What is on the disk, with what an earlier try left."""
        return self._whole_bytes + self._part_bytes

    def goes_on_at(self, part_bytes: int) -> None:
        """The file at hand has these bytes already."""
        self._part_bytes = part_bytes
        if part_bytes:
            self._say(f"{self._name}: goes on at {self._amount()}")

    def moved(self, size_bytes: int) -> None:
        """Bytes of the file at hand that came."""
        self._part_bytes += size_bytes
        self._moved_bytes += size_bytes
        now = self._clock()
        if now - self._said >= _PERIOD_SECONDS:
            self._said = now
            rate = self._moved_bytes / (now - self._began) / _MEGABYTE
            self._say(f"{self._name}: {self._amount()}, {rate:.0f} MB/s")

    def is_whole(self, size_bytes: int) -> None:
        """The file at hand is done."""
        self._whole_bytes += size_bytes
        self._part_bytes = 0

    def summary(self) -> str:
        """`98.0 MB in 3.2 s`."""
        seconds = self._clock() - self._began
        return f"{self.there_bytes / _MEGABYTE:.1f} MB in {seconds:.1f} s"

    def _amount(self) -> str:
        there = f"{self.there_bytes / _MEGABYTE:.1f}"
        if self.total_bytes is None:
            return f"{there} MB"
        return f"{there} of {self.total_bytes / _MEGABYTE:.1f} MB"
