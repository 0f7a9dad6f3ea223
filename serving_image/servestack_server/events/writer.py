"""Takes events from the event loop, and writes them to disk in a thread of its own.

`prompt_writer.py` writes them in the event loop's thread, which is the default.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Literal

from servestack_contract.settings import Events
from servestack_server.errors import StartError
from servestack_server.events.files import FILE_MARK_BYTES, EventFiles
from servestack_server.events.limits import (
    budget_bytes,
    file_bytes,
    largest_line_bytes,
    queue_bytes,
)
from servestack_server.events.retention import Retention
from servestack_server.events.server_mark import ServerMark

Reason = Literal[
    "too_large", "queue_full", "disk_budget", "disk_error", "rotated_out", "not_running"
]
REASONS: tuple[Reason, ...] = (
    "too_large", "queue_full", "disk_budget", "disk_error", "rotated_out", "not_running",
)  # fmt: skip

BATCH_BYTES = 2**20
"""Size of the lines in memory at which they are written without waiting for the flush interval."""
RETRY_SECONDS = 0.25
"""Time between two attempts to write after the disk has refused one."""
MAINTENANCE_SECONDS = 1.0
"""Time between two reads of Filebeat's registry, and the longest sleep without events."""


class EventWriter:
    """Appends lines to `<folder>/<kind>-<host>-<worker>-<start>-<sequence>.ndjson`.

    A line that `append` took is on disk (written, not synced) `flush_interval_seconds` later.
    Lost lines are counted in `dropped`, by kind and reason:
    too_large     The line is longer than `largest_line_bytes`.
    queue_full    8 MiB, or a quarter of the disk budget, wait in memory: the disk is too slow.
    disk_budget   The files have reached the disk budget.
    disk_error    As queue_full, while writes fail (`last_error`); also lines left at shutdown.
    rotated_out   The line was written, but deleted unshipped to make room (without `registry`).
    not_running   The line came before `start` or after `close`.

    With a `registry` (the folder `registry/filebeat` of Filebeat's data) a closed file is deleted
    once Kafka has all of it. Without one nothing ships the files: the oldest are deleted, so that
    three quarters of the budget are not exceeded for long, and nothing new is refused.

    One thread calls `append` and `wants`, and only this thread may call `start`.
    """

    def __init__(
        self,
        events: Events,
        *,
        worker: str = "0",
        workers: int = 1,
        registry: Path | None = None,
        flush_interval_seconds: float = 0.02,
    ) -> None:
        self._folder = Path(events.folder)
        self._budget_bytes = budget_bytes(events, workers)
        self._queue_bytes = queue_bytes(events, workers)
        self._file_bytes = file_bytes(events, workers)
        self.largest_line_bytes = largest_line_bytes(events, workers)
        self._unready_when_full = events.when_full == "unready"
        self._flush_interval_seconds = flush_interval_seconds
        self._files = EventFiles(self._folder, worker, workers)
        self._retention = Retention(self._files, registry, self._budget_bytes)
        self._server_mark = ServerMark(self._folder)

        self._queues: dict[str, list[bytes]] = {kind: [] for kind in events.kinds}
        self._unwritten: dict[str, bytes] = dict.fromkeys(events.kinds, b"")
        # Bytes since the start. Only the appending thread changes the first, and only the writing
        # thread the second, so neither needs a lock. The difference is what waits in memory.
        self._appended_bytes = 0
        self._done_bytes = 0
        # The limit for _appended_bytes, and the value beyond which `append` takes its slow path.
        self._limit_bytes = -1
        self._attention_bytes = -1

        self.written: dict[str, int] = dict.fromkeys(events.kinds, 0)
        self.dropped: dict[tuple[str, Reason], int] = {
            (kind, reason): 0 for kind in events.kinds for reason in REASONS
        }
        self.is_full = False
        self.last_error: str | None = None

        self._bell = threading.Lock()
        self._bell.acquire()
        self._hurry = False
        self._closing = False
        self._stopping = False
        self._idle = False
        self._retry_at = 0.0
        self._maintain_at = 0.0
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Take over the folder and start the thread. Raises StartError if the folder is unusable."""
        self._files.open_folder()
        try:
            self._server_mark.remove()
        except OSError as error:
            raise StartError(f"{self._folder}: {error.strerror}") from None
        if not self._retention.is_shipped:
            self._maintain()
        self._admit_more()
        self._thread.start()

    def wants(self, kind: str) -> bool:
        """Whether events of this kind are written at all."""
        return kind in self._queues

    def append(self, kind: str, line: bytes, owner: Any = None) -> bool:
        """Take one line, a JSON object that begins with `{"id":"`, without a newline.

        Returns False if the line is not taken. Nobody waits for the line, so `owner` is not used.
        """
        queue = self._queues.get(kind)
        if queue is None:
            return False
        size = len(line) + 1
        total = self._appended_bytes + size
        if size > self.largest_line_bytes or total > self._attention_bytes:
            reason = self._refusal(size, total)
            if reason is not None:
                self.dropped[kind, reason] += 1
                return False
            self._ring()
        self._appended_bytes = total
        queue.append(line)
        return True

    def _refusal(self, size: int, total: int) -> Reason | None:
        if self._limit_bytes < 0:
            return "not_running"
        if size > self.largest_line_bytes:
            return "too_large"
        if total <= self._limit_bytes:
            return None
        if self.last_error is not None:
            return "disk_error"
        return "queue_full" if total <= self._done_bytes + self._room_bytes() else "disk_budget"

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:
            return  # The bell rings already.

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all appended lines are on disk. Returns False if the time is up before."""
        target = self._appended_bytes
        deadline = time.monotonic() + timeout_seconds
        while self._done_bytes < target and time.monotonic() < deadline:
            self._hurry = True
            self._ring()
            time.sleep(0.001)
        return self._done_bytes >= target

    def close(self, timeout_seconds: float) -> bool:
        """Flush, close the files and set the mark for the drain. Returns False if lines were lost."""
        self._closing = True
        self._limit_bytes = self._attention_bytes = -1
        deadline = time.monotonic() + timeout_seconds
        self.flush(timeout_seconds)
        self._stopping = True
        self._ring()
        if self._thread.is_alive():
            self._thread.join(max(deadline - time.monotonic(), 0.1))
        lost = 0
        for kind, queue in self._queues.items():
            lines = len(queue) + self._unwritten[kind].count(b"\n")
            self.dropped[kind, "disk_error"] += lines
            lost += lines
        try:
            self._files.close()
            self._server_mark.set()
        except OSError as error:
            self.last_error = f"{self._folder}: {error.strerror}"
        return lost == 0

    def bytes_on_disk(self) -> int:
        """Return the size of all event files of this worker."""
        return self._files.size

    @property
    def unshipped_bytes(self) -> dict[str, int]:
        """Bytes on disk that Kafka lacks, by kind, as of the last read of the registry."""
        return self._retention.unshipped_bytes(list(self._queues))

    # The writing thread runs the methods below. It shares the interpreter lock with the event loop.

    def _run(self) -> None:
        while not self._stopping:
            self._pause()
            try:
                self._write()
                if time.monotonic() >= self._maintain_at:
                    self._maintain()
            except Exception as error:
                # The thread must go on after any error: without it nothing is written any more.
                self.last_error = f"{self._folder}: {error!r}"
            self._admit_more()

    def _pause(self) -> None:
        """Sleep for a flush interval, or longer after two intervals without a line."""
        if self._appended_bytes > self._done_bytes:
            self._idle = False
        elif self._idle:
            self._bell.acquire(timeout=MAINTENANCE_SECONDS)
            self._idle = False
            self._admit_more()
        else:
            self._idle = True
            self._admit_more()
        if not (self._hurry or self._stopping):
            self._bell.acquire(timeout=self._flush_interval_seconds)
        self._hurry = False

    def _write(self) -> None:
        if self.last_error is not None and time.monotonic() < self._retry_at:
            return
        failure: OSError | None = None
        for kind, queue in self._queues.items():
            data = self._unwritten[kind]
            lines = data.count(b"\n")
            if new := len(queue):
                batch = queue[:new]
                del queue[:new]
                batch.append(b"")
                data += b"\n".join(batch)
                lines += new
            if not data:
                continue
            size, error = self._files.write(kind, data)
            if error is not None:
                failure = error
                lines = data.count(b"\n", 0, size)
            self._unwritten[kind] = data[size:]
            self.written[kind] += lines
            self._done_bytes += size
            file = self._files.current.get(kind)
            if file is not None and file.size >= self._file_bytes:
                self._files.rotate(kind, file)
                if not self._retention.is_shipped:
                    self._maintain_at = 0.0
        if failure is not None:
            self._retry_at = time.monotonic() + RETRY_SECONDS
        self.last_error = f"{self._folder}: {failure.strerror}" if failure is not None else None

    def _admit_more(self) -> None:
        """Set how much `append` may take, and the point beyond which it wakes this thread."""
        room = self._room_bytes()
        self._limit_bytes = self._done_bytes + max(min(self._queue_bytes, room), 0)
        if self._idle:
            self._attention_bytes = self._done_bytes
        elif self.last_error is not None:
            self._attention_bytes = self._limit_bytes
        else:
            self._attention_bytes = min(self._done_bytes + BATCH_BYTES, self._limit_bytes)
        if self._closing:
            self._limit_bytes = self._attention_bytes = -1
        self._judge_full(room)

    def _judge_full(self, room: int) -> None:
        """Set `is_full`, for `whenFull: unready`. There is room for what is in flight before."""
        if self._unready_when_full:
            low = self._budget_bytes // (8 if self.is_full else 16)
            self.is_full = room < low or self.last_error is not None

    def _room_bytes(self) -> int:
        """Return how much may still be written, with room for a file's mark for each kind."""
        return self._budget_bytes - self._files.size - FILE_MARK_BYTES * len(self._queues)

    def _maintain(self) -> None:
        self._maintain_at = time.monotonic() + MAINTENANCE_SECONDS
        for kind, lines in self._retention.make_room().items():
            self.dropped[kind, "rotated_out"] = self.dropped.get((kind, "rotated_out"), 0) + lines
