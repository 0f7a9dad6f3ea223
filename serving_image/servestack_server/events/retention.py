"""Deletes event files: those that Kafka has, or the oldest ones if nothing ships them."""

from __future__ import annotations

import time
from pathlib import Path

from servestack_server.events.files import EventFiles, count_lines
from servestack_server.events.registry import Registry

IDLE_FILE_SECONDS = 60.0
"""A file that is shipped and has had no line for this time is closed and deleted. Filebeat drops the
offset of a file after half an hour (`ttl` in the registry) and would then ship it again."""


class Retention:
    """Deletes files. `registry` is the folder `registry/filebeat` of Filebeat's data, or None.

    With a registry only shipped files are deleted. Without one nothing ships the files, and the
    oldest are deleted so that the budget is kept.
    """

    def __init__(self, files: EventFiles, registry: Path | None, budget_bytes: int) -> None:
        self._files = files
        self._registry = Registry(registry) if registry is not None else None
        self._budget_bytes = budget_bytes
        self.is_shipped = registry is not None

    def make_room(self) -> dict[str, int]:
        """Delete the files that may go. Returns how many unshipped lines were lost, by kind."""
        for kind, file in list(self._files.current.items()):
            if not file.path.exists():
                # Somebody has deleted the file. The next line creates a new one.
                self._files.rotate(kind, file)
                self._files.forget(file.path.name)
        if self._registry is None:
            return self._rotate_out()
        self._registry.read(self._files.by_name)
        self._delete_shipped(self._registry)
        return {}

    def unshipped_bytes(self, kinds: list[str]) -> dict[str, int]:
        """Return the bytes on disk that Kafka lacks, by kind, as of the last read of the registry."""
        unshipped = dict.fromkeys(kinds, 0)
        offsets = self._registry.offsets if self._registry is not None else {}
        for name, file in list(self._files.by_name.items()):
            left = max(file.size - offsets.get(name, 0), 0)
            unshipped[file.kind] = unshipped.get(file.kind, 0) + left
        return unshipped

    def _delete_shipped(self, registry: Registry) -> None:
        idle_since = time.monotonic() - IDLE_FILE_SECONDS
        for kind, file in list(self._files.current.items()):
            shipped = registry.offsets.get(file.path.name) == file.size
            if shipped and file.written_at < idle_since:
                self._files.rotate(kind, file)
        for name, file in self._files.old():
            if registry.offsets.get(name) == file.size and self._delete(name):
                registry.forget(name)

    def _rotate_out(self) -> dict[str, int]:
        lost: dict[str, int] = {}
        for name, file in self._files.old():
            if self._files.size <= self._budget_bytes - self._budget_bytes // 4:
                break
            try:
                lines = count_lines(file.path)
            except OSError:
                lines = 0
            if self._delete(name):
                lost[file.kind] = lost.get(file.kind, 0) + lines
        return lost

    def _delete(self, name: str) -> bool:
        try:
            self._files.delete(name)
        except FileNotFoundError:
            self._files.forget(name)
        except OSError:
            return False
        return True
