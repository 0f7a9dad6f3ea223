"""Reads from Filebeat's registry how far each file is shipped."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from pathlib import Path

_CHUNK_BYTES = 64 * 2**10
_LARGEST_ENTRY_BYTES = 2**20

_SOURCE = re.compile(rb'"source":"(?:[^"\\]|\\.)*?([^"/\\]+)"')
_OFFSET = re.compile(rb'"cursor":\{"offset":([0-9.e+]+)\}')


class Registry:
    """Reads the offsets in bytes from the memlog store of Filebeat 7.17.

    The store has checkpoints `<number>.json` with one array each; `log.json` continues the newest
    one. An entry is a line of the log, or `{"_key"…}` in the array of a checkpoint. The last entry
    of a file is the valid one. Offsets that Filebeat read back after a restart are floats
    (`1.700085e+06`). `offsets` has files by their name without the folder, which is unique.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log.json"
        self._folder = folder
        self._checkpoint = ""
        self._log_inode = 0
        self._log_offset = 0
        self.offsets: dict[str, int] = {}

    def read(self, names: Container[str]) -> None:
        """Update `offsets` with the new entries of the files called `names`.

        If a file of the registry is missing or torn, the next call reads it.
        """
        checkpoint = self._newest_checkpoint()
        if checkpoint != self._checkpoint and self._read_checkpoint(checkpoint, names):
            self._checkpoint = checkpoint
            self._log_offset = 0
        try:
            status = self._log.stat()
        except OSError:
            return
        if status.st_ino != self._log_inode or status.st_size < self._log_offset:
            self._log_inode, self._log_offset = status.st_ino, 0
        if status.st_size > self._log_offset:
            self._read_log(names)

    def forget(self, name: str) -> None:
        """Drop the offset of a file that is deleted."""
        self.offsets.pop(name, None)

    def _newest_checkpoint(self) -> str:
        try:
            found = [path.stem for path in self._folder.glob("[0-9]*.json")]
        except OSError:
            return self._checkpoint
        numbers = [int(stem) for stem in found if stem.isascii() and stem.isdigit()]
        return f"{max(numbers)}.json" if numbers else ""

    def _read_checkpoint(self, name: str, names: Container[str]) -> bool:
        if not name:
            return True
        try:
            for entry, _ in _pieces(self._folder / name, 0, b'{"_key"'):
                self._take(entry, names)
        except OSError:
            return False
        return True

    def _read_log(self, names: Container[str]) -> None:
        try:
            for entry, end in _pieces(self._log, self._log_offset, b"\n"):
                if not entry.endswith(b"\n"):
                    return
                self._log_offset = end
                self._take(entry, names)
        except OSError:
            return

    def _take(self, entry: bytes, names: Container[str]) -> None:
        source = _SOURCE.search(entry)
        if source is None:
            return
        name = source[1].decode("utf-8", "replace")
        offset = _OFFSET.search(entry)
        if name not in names or offset is None:
            return
        try:
            self.offsets[name] = int(float(offset[1]))
        except (ValueError, OverflowError):
            return


def _pieces(file: Path, start: int, separator: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the parts of a file from byte `start` on, each with its separator and its end.

    Memory holds one chunk and one part. A part that is too long for an entry is skipped.
    """
    with file.open("rb") as stream:
        stream.seek(start)
        rest = b""
        position = start
        while chunk := stream.read(_CHUNK_BYTES):
            *whole, rest = (rest + chunk).split(separator)
            for part in whole:
                position += len(part) + len(separator)
                yield part + separator, position
            if len(rest) > _LARGEST_ENTRY_BYTES:
                position += len(rest)
                rest = b""
        if rest:
            yield rest, position + len(rest)
