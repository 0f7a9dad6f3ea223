"""Reads where copies go from a mounted file, which may come, change and go while the server runs."""

from __future__ import annotations

import logging
from pathlib import Path

from servestack_contract.shadow import ShadowTraffic, read_traffic

log = logging.getLogger(__name__)


class TrafficFile:
    """What the file says, as of the last `refresh`; None without a file, and for one that is wrong.

    What a shadow gets must not keep a model from answering, so a mistake is only logged.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._text: bytes | None = None
        self.current: ShadowTraffic | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Read the file again. Returns whether it says something else."""
        if self._file is None:
            return False
        text, complaint = self._text, ""
        try:
            # A few bytes in memory: cheaper than to find out whether they have changed.
            text = self._file.read_bytes()
        except FileNotFoundError:
            text = None
        except OSError as error:
            complaint = f"{self._file}: cannot be read: {error.strerror}"
        if text == self._text:
            return False
        before, self._text = self.current, text
        try:
            self.current = read_traffic(text) if text is not None else None
        except ValueError as error:
            complaint, self.current = f"{self._file}: {error}", None
        if complaint:
            log.warning("%s: no request is copied for a shadow", complaint)
        return self.current != before
