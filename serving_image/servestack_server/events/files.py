"""The event files of one worker: names, rotation, size on disk, deletion."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from servestack_server.errors import StartError

FILE_MARK_BYTES = 64
"""Length of the fingerprint by which Filebeat identifies a file. A file begins with as many bytes of
white space."""

_CHUNK_BYTES = 256 * 2**10


@dataclass(slots=True)
class EventFile:
    """One file. `descriptor` is -1 once it is closed for good; `size` is in bytes of whole lines.

    `torn` says that an incomplete line follows them. `written_at` is the time of the last write on
    the clock of time.monotonic().
    """

    path: Path
    kind: str
    size: int = 0
    descriptor: int = -1
    torn: bool = False
    written_at: float = 0.0

    def append(self, data: bytes) -> tuple[int, OSError | None]:
        """Write lines. Returns how many bytes of whole lines are on disk, and the error if not all.

        A line that did not fit is cut off again, so that the file always ends with a whole line.
        """
        mark = b"" if self.size else file_mark()
        data = mark + data
        written = 0
        error = None
        try:
            if self.torn:
                os.ftruncate(self.descriptor, self.size)
                self.torn = False
            while written < len(data):
                written += os.write(self.descriptor, data[written:] if written else data)
        except OSError as failure:
            error = failure
        whole = written if error is None else data.rfind(b"\n", 0, written) + 1
        self.size += whole
        if whole < written:
            self.torn = True
            try:
                os.ftruncate(self.descriptor, self.size)
                self.torn = False
            except OSError as failure:
                error = failure
        if whole:
            self.written_at = time.monotonic()
        return max(whole - len(mark), 0), error

    def close(self) -> None:
        """Close the file for good."""
        if self.descriptor >= 0:
            # After an error the descriptor is closed as well, and every write was checked before.
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1


def file_mark() -> bytes:
    """Return 64 random spaces and tabs. JSON allows white space before the first line's `{`.

    Filebeat treats files with the same first 64 bytes as one file, even if one was deleted long
    ago. The events alone do not make these bytes unique, because a caller may send an id twice.
    """
    return f"{int.from_bytes(os.urandom(8)):064b}".replace("0", " ").replace("1", "\t").encode()


class EventFiles:
    """All files of this worker in the folder: `by_name` has the oldest first.

    With several workers, each has its own files and its share of the budget. A single worker also
    owns the files of earlier processes, whatever their names are. `size` is in bytes, of all files.

    One thread may write while another one deletes. The lock is held for a write, and for changes of
    the tables, but not while a file is deleted or read.
    """

    def __init__(self, folder: Path, worker: str, workers: int) -> None:
        self._folder = folder
        self._host = re.sub(r"[^A-Za-z0-9.-]", "_", os.uname().nodename)
        self._worker = re.sub(r"[^A-Za-z0-9.]", "_", worker)
        self._workers = workers
        self._start = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}p{os.getpid()}"
        self._sequence = 0
        self._lock = -1
        self._tables = threading.Lock()
        self.by_name: dict[str, EventFile] = {}
        self.current: dict[str, EventFile] = {}
        self.size = 0

    def open_folder(self) -> None:
        """Take over the files of earlier processes.

        Raises StartError if the folder cannot be used, or if another process with this worker's
        name uses it: this method would cut its files while it writes.

        The torn last line of a killed process is cut off. Its event was never reported as written,
        and Filebeat ships whole lines only, so Filebeat's offset is never behind the cut. A Filebeat
        that read half a line during the write may ship the file from its start again; consumers
        recognise repeated events by their ids. A newline instead of the cut would send the half line
        to Kafka.
        """
        try:
            self._lock = os.open(
                self._folder / f".worker-{self._worker}",
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                0o640,
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with os.scandir(self._folder) as entries:
                found = sorted(
                    (entry.stat().st_mtime_ns, entry.name)
                    for entry in entries
                    if entry.name.endswith(".ndjson") and entry.is_file(follow_symlinks=False)
                )
            for _, name in found:
                if self._is_own(name):
                    self._take_over(name)
        except BlockingIOError:
            raise StartError(
                f"{self._folder}: another server already writes its events to this folder",
                "give each server a folder of its own",
            ) from None
        except OSError as error:
            raise StartError(
                f"{self._folder}: event files cannot be written: {error.strerror}",
                "create the folder and make it writable for the server's user",
            ) from None

    def _is_own(self, name: str) -> bool:
        parts = name.rsplit("-", 3)
        return self._workers == 1 or (len(parts) == 4 and parts[1] == self._worker)

    def _take_over(self, name: str) -> None:
        path = self._folder / name
        size = cut_torn_line(path)
        if size == 0:
            path.unlink()
            return
        self.by_name[name] = EventFile(path, name.split("-", 1)[0], size)
        self.size += size

    def to_write(self, kind: str) -> EventFile:
        """Return the open file for lines of this kind; create one if needed. Raises OSError."""
        file = self.current.get(kind)
        if file is None:
            self._sequence += 1
            origin = f"{self._host}-{self._worker}-{self._start}"
            name = f"{kind}-{origin}-{self._sequence:06d}.ndjson"
            path = self._folder / name
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            file = EventFile(path, kind, descriptor=os.open(path, flags, 0o640))
            self.by_name[name] = self.current[kind] = file
        return file

    def write(self, kind: str, data: bytes) -> tuple[int, OSError | None]:
        """Append whole lines of a kind. Returns how many bytes are on disk, and the error if any."""
        with self._tables:
            try:
                file = self.to_write(kind)
            except OSError as error:
                return 0, error
            before = file.size
            written, failure = file.append(data)
            self.size += file.size - before
            return written, failure

    def rotate(self, kind: str, file: EventFile) -> None:
        """Close the file of a kind, unless it is closed already. The next line creates a new one."""
        with self._tables:
            if self.current.get(kind) is file:
                del self.current[kind]
                file.close()

    def old(self) -> list[tuple[str, EventFile]]:
        """Return (name, file) of the files that are closed for good, oldest first."""
        return [(name, file) for name, file in list(self.by_name.items()) if file.descriptor < 0]

    def delete(self, name: str) -> None:
        """Delete a closed file and free its blocks, even if a reader has it open. Raises OSError."""
        file = self.by_name[name]
        descriptor = os.open(file.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            file.path.unlink()
            # Truncate only after unlinking: Filebeat ships a file that shrinks from its start again.
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)
        self.forget(name)

    def forget(self, name: str) -> None:
        """Stop counting a file that is deleted."""
        with self._tables:
            self.size -= self.by_name.pop(name).size

    def close(self) -> None:
        """Close the open files, and delete those without a line. Raises OSError."""
        for kind, file in list(self.current.items()):
            if file.torn:
                os.ftruncate(file.descriptor, file.size)
            self.rotate(kind, file)
            if file.size == 0:
                file.path.unlink()
        os.close(self._lock)


def cut_torn_line(path: Path) -> int:
    """Cut off what follows the last newline. Returns the size in bytes. Raises OSError."""
    with path.open("r+b", buffering=0) as stream:
        end = size = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(end - _CHUNK_BYTES, 0)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            stream.truncate(end)
        return end


def count_lines(path: Path) -> int:
    """Count the lines of a file, which is read in chunks. Raises OSError."""
    lines = 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            lines += chunk.count(b"\n")
    return lines
