"""Writes the events of one turn of the event loop in the loop's own thread, before their answers."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from servestack_contract.settings import Events
from servestack_server.events.writer import RETRY_SECONDS, EventWriter

SLOW_SECONDS = 0.1
"""A write that takes longer shows that the disk blocks. The event loop then leaves writing to the
thread, until a trial has shown that the disk is quick again."""
TRIAL = ".trial"
"""File of a trial. Its name is none that Filebeat looks for."""
_TRIAL_DATA = bytes(64 * 2**10)
_NOBODY: Set[Any] = frozenset()


class _Turn(NamedTuple):
    """The lines of a kind, and the owners of those that have one, by the lines' position."""

    lines: list[bytes]
    owners: dict[int, Any]


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
        self._turn = {kind: _Turn([], {}) for kind in events.kinds}
        self._refused: set[Any] = set()
        # The event loop sets both after a write that was slow, and only the first after one that
        # failed. The thread withdraws the first after a good trial, and the event loop the second.
        self._in_doubt = False
        self._is_slow = False
        self._trial_at = 0.0

    def append(self, kind: str, line: bytes, owner: Any = None) -> bool:
        """Take one line, a JSON object that begins with `{"id":"`, without a newline.

        Returns False if lines of this kind are not taken. `owner` is refused if the line is not
        written.
        """
        turn = self._turn.get(kind)
        if turn is None:
            return False
        if owner is not None:
            turn.owners[len(turn.lines)] = owner
        turn.lines.append(line)
        return True

    def extend(self, kind: str, lines: Sequence[bytes], owners: Sequence[Any]) -> None:
        """Take lines of a kind that is logged. Each has an owner, or none of them has."""
        turn = self._turn[kind]
        if owners:
            turn.owners.update(enumerate(owners, len(turn.lines)))
        turn.lines.extend(lines)

    def write_turn(self) -> Set[Any]:
        """Write the lines of this turn. Returns the owners of those that are not written."""
        if self._limit_bytes < 0:
            self._give_up_turn()
            return self._take_refused()
        if self._is_slow:
            if self._in_doubt or self._done_bytes < self._appended_bytes:
                self._leave_to_thread()
                return self._take_refused()
            self._is_slow = False
        for kind, turn in self._turn.items():
            if turn.lines:
                self._write_lines(kind, turn)
        return self._take_refused() if self._refused else _NOBODY

    def _take_refused(self) -> Set[Any]:
        refused, self._refused = self._refused, set()
        return refused

    def _write_lines(self, kind: str, turn: _Turn) -> None:
        lines, owners = turn
        count = len(lines)
        lines.append(b"")
        data = b"\n".join(lines)
        if len(data) > self.largest_line_bytes or len(data) > self._room_bytes():
            lines.pop()
            self._sift(kind, turn)
            count = len(lines)
            lines.append(b"")
            data = b"\n".join(lines)
        lines.clear()
        before = time.perf_counter()
        try:
            size, error = self._files.write(kind, data)
        except Exception as failure:  # The answers must leave, or be refused, after any error.
            size, error = 0, OSError(0, repr(failure))
        seconds = time.perf_counter() - before
        if error is None:
            self.written[kind] += count
            if seconds > SLOW_SECONDS:
                self._is_slow = True
                self._doubt(f"a write took {seconds:.1f} s")
            elif self.last_error is not None:
                self.last_error = None
        else:
            written = data.count(b"\n", 0, size)
            self.written[kind] += written
            refused = [owner for at, owner in owners.items() if at >= written]
            self._refused.update(refused)
            self.dropped[kind, "disk_error"] += count - written - len(refused)
            self._doubt(str(error.strerror))
        if owners:
            owners.clear()
        file = self._files.current.get(kind)
        if file is not None and file.size >= self._file_bytes:
            self._files.rotate(kind, file)
            if not self._retention.is_shipped:
                self._maintain_at, self._hurry = 0.0, True
                self._ring()
        if self._unready_when_full:
            self._judge_full(self._room_bytes())

    def _sift(self, kind: str, turn: _Turn) -> None:
        """Take out the lines that Kafka would not take, or for which there is no room."""
        lines, owners = turn
        given, owned = lines.copy(), owners.copy()
        lines.clear()
        owners.clear()
        room = self._room_bytes()
        for at, line in enumerate(given):
            size, owner = len(line) + 1, owned.get(at)
            if size > self.largest_line_bytes:
                self.dropped[kind, "too_large"] += 1
            elif size <= room:
                room -= size
                self.append(kind, line, owner)
            elif owner is not None:
                self._refused.add(owner)
            else:
                self.dropped[kind, "disk_budget"] += 1

    def _give_up_turn(self) -> None:
        """Count the lines that came before `start` or after `close`."""
        for kind, (lines, owners) in self._turn.items():
            self._refused.update(owners.values())
            self.dropped[kind, "not_running"] += len(lines) - len(owners)
            lines.clear()
            owners.clear()

    def _leave_to_thread(self) -> None:
        for kind, (lines, owners) in self._turn.items():
            for at, line in enumerate(lines):
                if at in owners:
                    self._refused.add(owners[at])
                else:
                    super().append(kind, line)
            lines.clear()
            owners.clear()

    def _doubt(self, problem: str) -> None:
        self.last_error = f"{self._folder}: {problem}"
        self._in_doubt = True
        self._trial_at = time.monotonic() + RETRY_SECONDS
        self._ring()

    def flush(self, timeout_seconds: float) -> bool:
        """Write the turn, and wait for what the thread has. Returns False if the time is up before."""
        self.write_turn()
        return super().flush(timeout_seconds)

    # The thread runs the methods below.

    def _write(self) -> None:
        if self._appended_bytes > self._done_bytes:
            super()._write()
        if self._in_doubt and time.monotonic() >= self._trial_at:
            self._try_disk()

    def _try_disk(self) -> None:
        """Withdraw the doubt if the disk takes data, and quickly."""
        before = time.monotonic()
        trial = self._folder / TRIAL
        try:
            try:
                trial.write_bytes(_TRIAL_DATA)
            finally:
                trial.unlink(missing_ok=True)
        except OSError as error:
            self.last_error = f"{self._folder}: {error.strerror}"
        else:
            if time.monotonic() - before <= SLOW_SECONDS:
                self.last_error = None
                self._in_doubt = False
        self._trial_at = time.monotonic() + RETRY_SECONDS
