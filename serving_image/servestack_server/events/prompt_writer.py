"""Writes the events of one turn of the event loop in the loop's own thread, before their answers."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from servestack_contract.settings import Events
from servestack_server.events.writer import RETRY_SECONDS, EventWriter

SLOW_SECONDS = 1.0
"""A write that takes longer shows that the disk blocks. The event loop then leaves writing to the
thread, until a trial has shown that the disk is quick again. Less would take a process that gets no
processor for a disk that blocks."""
TRIAL = ".trial"
"""Start of the name of a trial's file, which is none that Filebeat looks for."""
_TRIAL_DATA = bytes(64 * 2**10)
_NOBODY: Set[Any] = frozenset()


class _Turn:
    """The lines of a kind: parts of whole lines, their number, and owners by the lines' position."""

    __slots__ = ("count", "owners", "parts")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.count = 0
        self.owners: dict[int, Any] = {}

    def take(self) -> tuple[bytes, int, dict[int, Any]]:
        """Return the lines, their number and their owners, and forget them."""
        parts, count, owners = self.parts, self.count, self.owners
        lines = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.count = 0
        if owners:
            self.owners = {}
        return lines, count, owners


class PromptWriter(EventWriter):
    """`append` keeps the lines of a turn, and `write_turn` hands them to the kernel.

    What `write_turn` has written outlives the process; it is not synced, so the death of the node can
    take it. There is one write for each kind. The thread of EventWriter only deletes shipped files
    here, unless the disk blocks: then the event loop has waited for one slow write, and does not
    wait for the next ones. Lines without an owner go through the memory of EventWriter meanwhile,
    and lines with an owner are refused.

    A line that is not written is counted in `dropped` if it has no owner, with the reasons of
    EventWriter. If it has one, it is not counted: `write_turn` returns its owner, who has to hear
    that it is not kept. One thread calls `start`, `append` and `write_turn`.
    """

    def __init__(
        self, events: Events, *, worker: str = "0", workers: int = 1, registry: Path | None = None
    ) -> None:
        super().__init__(events, worker=worker, workers=workers, registry=registry)
        self._turn: dict[str, _Turn] = {kind: _Turn() for kind in events.kinds}
        self._refused: set[Any] = set()
        # The event loop sets both after a write that was slow, and only the first after one that
        # failed. The thread withdraws the first after a good trial, and the event loop the second.
        self._in_doubt = False
        self._is_slow = False
        self._trial_at = 0.0
        self._trial = self._folder / f"{TRIAL}-{worker}"

    def append(self, kind: str, line: bytes, owner: Any = None) -> bool:
        """Take one line, a JSON object that begins with `{"id":"`, without a newline.

        Returns False if the line is too long, or lines of this kind are not taken. `owner` is refused
        if the line is not written.
        """
        turn = self._turn.get(kind)
        if turn is None:
            return False
        if len(line) >= self.largest_line_bytes:
            self.dropped[kind, "too_large"] += 1
            return False
        if owner is not None:
            turn.owners[turn.count] = owner
        turn.parts += (line, b"\n")
        turn.count += 1
        return True

    def extend(self, kind: str, lines: bytes, count: int, owners: Sequence[Any]) -> None:
        """Take `count` lines, each with its newline and none too long.

        `owners` has one for each line, or is empty.
        """
        turn = self._turn[kind]
        if owners:
            turn.owners.update(enumerate(owners, turn.count))
        turn.parts.append(lines)
        turn.count += count

    def write_turn(self) -> Set[Any]:
        """Write the lines of this turn. Returns the owners of those that are not written."""
        for kind, turn in self._turn.items():
            if turn.count:
                self._write_lines(kind, *turn.take())
        return self._take_refused() if self._refused else _NOBODY

    def _take_refused(self) -> Set[Any]:
        refused, self._refused = self._refused, set()
        return refused

    def _write_lines(self, kind: str, lines: bytes, count: int, owners: dict[int, Any]) -> None:
        room = self._room_bytes()
        if len(lines) > room or self._is_slow or self._limit_bytes < 0:
            lines, count, owners = self._sifted(kind, lines, owners, room)
            if not count:
                return
        before = time.perf_counter()
        try:
            written, error = self._files.write(kind, lines)
        except Exception as failure:  # The answers must leave, or be refused, after any error.
            written, error = 0, OSError(0, repr(failure))
        seconds = time.perf_counter() - before
        if error is not None:
            count = self._not_written(kind, lines, written, owners)
            self._doubt(str(error.strerror))
        elif seconds > SLOW_SECONDS:
            self._is_slow = True
            self._doubt(f"a write took {seconds:.1f} s")
        elif self.last_error is not None:
            self.last_error = None
        self.written[kind] += count
        file = self._files.current.get(kind)
        if file is not None and file.size >= self._file_bytes:
            self._files.rotate(kind, file)
            if not self._retention.is_shipped:
                self._maintain_at, self._hurry = 0.0, True
                self._ring()
        if self._unready_when_full:
            self._judge_full(self._room_bytes())

    def _not_written(self, kind: str, lines: bytes, written: int, owners: dict[int, Any]) -> int:
        """Count or refuse the lines behind the first `written` bytes. Returns how many came before."""
        whole = lines.count(b"\n", 0, written)
        refused = [owner for at, owner in owners.items() if at >= whole]
        self._refused.update(refused)
        self.dropped[kind, "disk_error"] += lines.count(b"\n", written) - len(refused)
        return whole

    def _sifted(
        self, kind: str, lines: bytes, owners: dict[int, Any], room: int
    ) -> tuple[bytes, int, dict[int, Any]]:
        """Return the lines that the event loop may write, their number and their owners.

        The others are refused or counted, or go to the thread.
        """
        is_thread_ahead = self._is_slow and (
            self._in_doubt or self._done_bytes < self._appended_bytes
        )
        self._is_slow = is_thread_ahead
        is_running = self._limit_bytes >= 0
        sifted = _Turn()
        for at, line in enumerate(lines.split(b"\n")[:-1]):
            size, owner = len(line) + 1, owners.get(at)
            if size <= room and is_running and not is_thread_ahead:
                room -= size
                if owner is not None:
                    sifted.owners[sifted.count] = owner
                sifted.parts += (line, b"\n")
                sifted.count += 1
            elif owner is not None:
                self._refused.add(owner)
            elif is_thread_ahead:
                super().append(kind, line)
            else:
                self.dropped[kind, "disk_budget" if is_running else "not_running"] += 1
        return sifted.take()

    def _doubt(self, problem: str) -> None:
        self._in_doubt = True
        self.last_error = f"{self._folder}: {problem}"
        self._trial_at = time.monotonic() + RETRY_SECONDS
        self._ring()

    def flush(self, timeout_seconds: float) -> bool:
        """Write the turn, and wait for what the thread has. Returns False if the time is up before."""
        self.write_turn()
        return super().flush(timeout_seconds)

    def close(self, timeout_seconds: float) -> bool:
        """Write the turn, and end as EventWriter does. Returns False if lines were lost."""
        self.write_turn()
        return super().close(timeout_seconds)

    # The thread runs the methods below.

    def _write(self) -> None:
        if self._appended_bytes > self._done_bytes:
            super()._write()
        elif not self._in_doubt:
            self.last_error = None  # Of an accident in this thread.
        is_missed = self._is_slow or self._unready_when_full  # Else the next write is the trial.
        if self._in_doubt and is_missed and time.monotonic() >= self._trial_at:
            self._try_disk()

    def _try_disk(self) -> None:
        """Withdraw the doubt if the disk takes data, and quickly."""
        before = time.monotonic()
        try:
            try:
                self._trial.write_bytes(_TRIAL_DATA)
            finally:
                self._trial.unlink(missing_ok=True)
        except OSError as error:
            self.last_error = f"{self._folder}: {error.strerror}"
        else:
            if time.monotonic() - before <= SLOW_SECONDS:
                self.last_error = None
                self._in_doubt = False
        self._trial_at = time.monotonic() + RETRY_SECONDS
