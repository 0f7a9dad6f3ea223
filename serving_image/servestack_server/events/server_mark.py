"""The mark by which Filebeat's drain knows that the server has written its last line."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

MARK = ".server-exited"
_LOCK = ".workers"


class ServerMark:
    """Set when the last worker of a server closes its files; a killed worker does not hold it up.

    Workers share a lock on one file, which the kernel gives back when a process dies.
    """

    def __init__(self, folder: Path) -> None:
        self._mark = folder / MARK
        self._lock_file = folder / _LOCK
        self._lock = -1

    def remove(self) -> None:
        """A server runs here. OSError where the folder cannot be written."""
        self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._mark.unlink(missing_ok=True)

    def set(self) -> None:
        """This worker is done; the mark is set if it was the last. OSError if the disk is full."""
        try:
            # The shared lock is given up before the other is asked for: of two that exit at the
            # same moment one at least finds nobody left.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._mark.touch()
        finally:
            os.close(self._lock)
            self._lock = -1
