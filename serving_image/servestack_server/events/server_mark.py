"""The mark that tells Filebeat's drain that the server has written its last line."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

MARK = ".server-exited"
_LOCK = ".workers"


class ServerMark:
    """A file that the last worker of a server creates after it has closed its event files.

    Workers share a lock on one file. The kernel releases it when a process dies, so a killed worker
    does not block the mark.
    """

    def __init__(self, folder: Path) -> None:
        self._mark = folder / MARK
        self._lock_file = folder / _LOCK
        self._lock = -1

    def remove(self) -> None:
        """Remove the mark, because a server runs now. Raises OSError if the folder is not writable."""
        self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._mark.unlink(missing_ok=True)

    def set(self) -> None:
        """Set the mark if this worker is the last one. Raises OSError if the disk is full."""
        try:
            # flock releases the shared lock before it takes the exclusive one. So if two workers
            # exit at the same moment, at least one of them is the last.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._mark.touch()
        finally:
            os.close(self._lock)
            self._lock = -1
