"""Files and folders of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servestack_server.errors import StartError
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.source import CHUNK_BYTES, Listing, Remote, Stream


class LocalSource:
    """A file or a folder. Links in it are refused, because they lead elsewhere in a pod."""

    hint = "check the path, and that this user may read it"

    def __init__(self, path: str) -> None:
        if "\0" in path:
            raise StartError(f"{path!r} is not a path")
        self.shown = path
        self._path = Path(path)

    def list_files(self) -> Listing:
        """List all files. Raises StartError for a missing path, a link, or an unreadable folder."""
        if not self._path.exists():
            raise StartError(f"{self.shown}: there is no such file", self.hint)
        if self._path.is_file():
            path = checked_path(self._path.name, self.shown)
            return Listing((Remote(path, self._path.stat().st_size),), is_folder=False)
        try:
            files = tuple(sorted(self._below(), key=lambda remote: remote.path))
        except OSError as error:
            raise self._unreadable(error) from None
        return Listing(files, is_folder=True)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open the file from byte `start` on, or from byte 0 if it has changed.

        Raises StartError if the file cannot be read.
        """
        file = self._path if self._path.is_file() else self._path / remote.path
        try:
            with file.open("rb") as stream:
                status = os.fstat(stream.fileno())
                now = f"{status.st_mtime_ns}-{status.st_size}"
                begin = stream.seek(start if now == validator else 0)
                chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
                yield Stream(begin, status.st_size, now, chunks)
        except (FileNotFoundError, PermissionError) as error:
            raise self._unreadable(error) from None

    def _below(self) -> Iterator[Remote]:
        for folder, folders, names in os.walk(self._path, onerror=_raise):
            for name in (*folders, *names):
                file = Path(folder, name)
                if file.is_symlink():
                    raise StartError(f"{file} is a link", "replace it with a copy of the file")
                if name in folders:
                    continue
                if not file.is_file():
                    raise StartError(f"{file} is neither a file nor a folder", "remove it")
                path = checked_path(file.relative_to(self._path).as_posix(), self.shown)
                yield Remote(path, file.stat().st_size)

    def _unreadable(self, error: OSError) -> StartError:
        return StartError(f"{self.shown}: cannot be read: {error.strerror}", self.hint)


def _raise(error: OSError) -> None:
    raise error
