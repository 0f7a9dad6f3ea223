"""Reports the progress of a download in log lines, at most one a second."""

from __future__ import annotations

import time
from collections.abc import Callable

_MEGABYTE = 1_000_000
_PERIOD_SECONDS = 1.0


class Progress:
    """Counts the bytes of one artifact. `total_bytes` is None if its source does not know it."""

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
        """Bytes on disk, including those of earlier attempts."""
        return self._whole_bytes + self._part_bytes

    def goes_on_at(self, part_bytes: int) -> None:
        """Resume the current file, of which `part_bytes` are there already."""
        self._part_bytes = part_bytes
        if part_bytes:
            self._say(f"{self._name}: resuming at {self._amount()}")

    def moved(self, size_bytes: int) -> None:
        """Count bytes of the current file that have arrived."""
        self._part_bytes += size_bytes
        self._moved_bytes += size_bytes
        now = self._clock()
        if now - self._said >= _PERIOD_SECONDS:
            self._said = now
            rate = self._moved_bytes / (now - self._began) / _MEGABYTE
            self._say(f"{self._name}: {self._amount()}, {rate:.0f} MB/s")

    def is_whole(self, size_bytes: int) -> None:
        """Count the current file, which is complete, with its size."""
        self._whole_bytes += size_bytes
        self._part_bytes = 0

    def summary(self) -> str:
        """Return the size and time, such as `98.0 MB in 3.2 s`."""
        seconds = self._clock() - self._began
        return f"{self.there_bytes / _MEGABYTE:.1f} MB in {seconds:.1f} s"

    def _amount(self) -> str:
        there = f"{self.there_bytes / _MEGABYTE:.1f}"
        if self.total_bytes is None:
            return f"{there} MB"
        return f"{there} of {self.total_bytes / _MEGABYTE:.1f} MB"
