"""What `write_turn` has returned for is in the files; what is not is counted or refused, once."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.events.event_support import (
    line,
    lines_on_disk,
    losses,
    number_of,
    settings,
)
from serving_image.tests.process.load import wait_until

from servestack_server.events.prompt_writer import TRIAL, PromptWriter


class Writers:
    """Makes started writers in one folder and closes those that a test leaves open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[PromptWriter] = []

    def __call__(self, **changes: Any) -> PromptWriter:
        given = {"disk_budget_bytes": 64 << 20} | changes
        writer = PromptWriter(settings(self.folder, **given), registry=self.folder / "none")
        writer.start()
        self._made.append(writer)
        return writer

    def close(self) -> None:
        for writer in self._made:
            if not writer._closing:
                writer.close(1)


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    made = Writers(tmp_path)
    yield made
    made.close()


class Disk:
    """Stands in for `os.write` of event files: it takes so many bytes, or takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.seconds = 0.0
        self.calls = 0
        self._write = os.write
        monkeypatch.setattr("servestack_server.events.files.os.write", self)

    def __call__(self, descriptor: int, data: bytes) -> int:
        self.calls += 1
        time.sleep(self.seconds)
        if self.room is None:
            return self._write(descriptor, data)
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def on_disk(folder: Path, kind: str = "predictions") -> list[int]:
    return [number_of(event) for event in lines_on_disk(folder, kind)]


def take(writer: PromptWriter, numbers: range, *, owners: bool = False) -> None:
    """Append a line for each number, whose owner, if any, is the number."""
    for number in numbers:
        assert writer.append("predictions", line(number), number if owners else None)


def test_a_turn_is_on_disk_when_it_is_written_and_each_kind_takes_one_write(
    writers: Writers, disk: Disk
) -> None:
    writer = writers()
    take(writer, range(10))
    several = b"".join(line(number) + b"\n" for number in range(10, 13))
    writer.extend("predictions", several, 3, ())
    assert writer.append("feedback", line(7))
    assert list(writers.folder.glob("*.ndjson")) == []
    assert writer.write_turn() == set()
    assert disk.calls == 2
    assert on_disk(writers.folder) == list(range(13))
    assert on_disk(writers.folder, "feedback") == [7]
    assert writer.written == {"predictions": 13, "feedback": 1, "access": 0}
    assert writer.write_turn() == set()
    assert disk.calls == 2


def test_nothing_is_written_twice_and_files_rotate_in_turns(writers: Writers) -> None:
    writer = writers(disk_budget_bytes=4 << 20)
    for first in range(0, 6000, 30):
        take(writer, range(first, first + 30))
        assert writer.write_turn() == set()
    assert len(list(writers.folder.glob("predictions-*"))) > 4
    assert on_disk(writers.folder) == list(range(6000))
    assert writer.bytes_on_disk() == sum(f.stat().st_size for f in writers.folder.glob("*.ndjson"))


@pytest.mark.parametrize("owners", [False, True])
@pytest.mark.parametrize("room", [0, 1, 299, 301, 302, 1000, 3009])
def test_a_disk_that_is_full_in_the_middle_leaves_whole_lines(
    writers: Writers, disk: Disk, room: int, owners: bool
) -> None:
    """Ten lines of 301 bytes. Those that do not fit are counted, or their owners are named."""
    writer = writers()
    take(writer, range(100, 105))
    assert writer.write_turn() == set()
    disk.room = room
    take(writer, range(10), owners=owners)
    fit = room // 301
    assert writer.write_turn() == (set(range(fit, 10)) if owners else set())
    lost = {} if owners else {("predictions", "disk_error"): 10 - fit}
    assert losses(writer) == lost
    assert on_disk(writers.folder) == [*range(100, 105), *range(fit)]
    assert "No space" in str(writer.last_error)
    disk.room = None
    take(writer, range(200, 203))
    assert writer.write_turn() == set()
    assert writer.last_error is None
    assert on_disk(writers.folder) == [*range(100, 105), *range(fit), *range(200, 203)]
    assert writer.written["predictions"] == 8 + fit
    assert losses(writer) == lost


def test_lines_of_both_sorts_in_one_turn_are_told_apart(writers: Writers, disk: Disk) -> None:
    writer = writers()
    disk.room = 64 + 301
    for number in range(6):
        writer.append("predictions", line(number), number if number % 2 else None)
    assert writer.write_turn() == {1, 3, 5}
    assert losses(writer) == {("predictions", "disk_error"): 2}
    assert on_disk(writers.folder) == [0]


@pytest.mark.parametrize("owners", [False, True])
def test_the_disk_budget_is_kept(writers: Writers, owners: bool) -> None:
    writer = writers(disk_budget_bytes=1 << 20)
    refused: set[int] = set()
    for first in range(0, 5000, 50):
        take(writer, range(first, first + 50), owners=owners)
        refused |= writer.write_turn()
    kept = len(on_disk(writers.folder))
    size = sum(file.stat().st_size for file in writers.folder.glob("*.ndjson"))
    assert (1 << 20) - 1000 < size <= 1 << 20
    assert losses(writer) == ({} if owners else {("predictions", "disk_budget"): 5000 - kept})
    assert refused == (set(range(kept, 5000)) if owners else set())


def test_a_full_disk_makes_it_unready_until_a_trial_succeeds(writers: Writers, disk: Disk) -> None:
    writer = writers(when_full="unready")
    disk.room = 0
    take(writer, range(3), owners=True)
    assert writer.write_turn() == {0, 1, 2}
    assert writer.is_full
    disk.room = None
    wait_until(lambda: not writer.is_full)
    assert list(writers.folder.glob(f"{TRIAL}*")) == []
    take(writer, range(3), owners=True)
    assert writer.write_turn() == set()
    assert losses(writer) == {}


def test_it_stays_unready_while_trials_fail(
    writers: Writers, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = writers(when_full="unready")
    disk.room = 0
    monkeypatch.setattr(Path, "write_bytes", fails)
    take(writer, range(3), owners=True)
    writer.write_turn()
    disk.room = None
    time.sleep(1.5)
    assert writer.is_full
    monkeypatch.undo()
    wait_until(lambda: not writer.is_full)


@pytest.fixture
def slow(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk whose writes take longer than the event loop may wait again and again."""
    monkeypatch.setattr("servestack_server.events.prompt_writer.SLOW_SECONDS", 0.2)
    disk.seconds = 0.4
    return disk


def quick_again(monkeypatch: pytest.MonkeyPatch, disk: Disk) -> None:
    disk.seconds = 0.0
    monkeypatch.setattr("servestack_server.events.prompt_writer.SLOW_SECONDS", 5.0)


def trial_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def blocks(file: Path, data: bytes) -> int:
        time.sleep(0.4)
        return real(file, data)

    monkeypatch.setattr(Path, "write_bytes", blocks)


def test_the_event_loop_waits_for_one_slow_write_and_no_more(
    writers: Writers, slow: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines without an owner go through memory meanwhile, and none is lost or doubled."""
    trial_blocks(monkeypatch)
    writer = writers()
    take(writer, range(3))
    assert writer.write_turn() == set()
    assert "a write took" in str(writer.last_error)
    started = time.perf_counter()
    for first in range(3, 103, 10):
        take(writer, range(first, first + 10))
        assert writer.write_turn() == set()
    assert time.perf_counter() - started < 0.2
    quick_again(monkeypatch, slow)
    assert writer.flush(10)
    wait_until(lambda: not writer._in_doubt)
    take(writer, range(103, 106))
    assert writer.write_turn() == set()
    assert not writer._is_slow
    assert on_disk(writers.folder) == list(range(106))
    assert writer.written["predictions"] == 106
    assert losses(writer) == {}


def test_lines_with_an_owner_are_refused_while_the_disk_blocks(
    writers: Writers, slow: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial_blocks(monkeypatch)
    writer = writers(when_full="unready")
    take(writer, range(3), owners=True)
    assert writer.write_turn() == set()
    assert writer.is_full
    take(writer, range(3, 6), owners=True)
    assert writer.write_turn() == {3, 4, 5}
    quick_again(monkeypatch, slow)
    wait_until(lambda: not writer.is_full)
    take(writer, range(6, 9), owners=True)
    assert writer.write_turn() == set()
    assert on_disk(writers.folder) == [0, 1, 2, 6, 7, 8]
    assert losses(writer) == {}


def test_an_accident_loses_no_answer(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writers()
    monkeypatch.setattr(writer._files, "write", lambda kind, data: 1 / 0)
    take(writer, range(3), owners=True)
    take(writer, range(3, 5))
    assert writer.write_turn() == {0, 1, 2}
    assert losses(writer) == {("predictions", "disk_error"): 2}


def test_an_accident_in_the_thread_passes(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod is ready again, though nothing is written that would show that the disk is well."""
    monkeypatch.setattr("servestack_server.events.writer.MAINTENANCE_SECONDS", 0.05)
    writer = writers(when_full="unready")
    monkeypatch.setattr(writer._retention, "make_room", lambda: 1 / 0)
    wait_until(lambda: writer.is_full)
    monkeypatch.undo()
    wait_until(lambda: not writer.is_full)


def test_what_comes_too_early_too_late_or_too_long_is_counted(tmp_path: Path) -> None:
    writer = PromptWriter(settings(tmp_path))
    take(writer, range(1))
    writer.write_turn()
    writer.start()
    assert not writer.append("predictions", line(1, writer.largest_line_bytes))
    assert writer.append("predictions", line(2, writer.largest_line_bytes - 1))
    assert not writer.append("custom", line(3))
    assert writer.close(5)
    take(writer, range(4, 5))
    assert writer.append("predictions", line(5), "owner")
    assert writer.write_turn() == {"owner"}
    assert losses(writer) == {("predictions", "not_running"): 2, ("predictions", "too_large"): 1}
    assert on_disk(tmp_path) == [2]


def test_files_are_deleted_beside_writes(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread deletes the oldest where nobody ships, while turns are written."""
    monkeypatch.setattr("servestack_server.events.writer.MAINTENANCE_SECONDS", 0.01)
    writer = PromptWriter(settings(writers.folder, disk_budget_bytes=2 << 20))
    writer.start()
    for first in range(0, 20_000, 10):
        take(writer, range(first, first + 10))
        assert writer.write_turn() == set()
        if first % 200 == 0:
            time.sleep(0.002)
    assert writer.close(5)
    left = on_disk(writers.folder)
    gone = sum(losses(writer).values())
    assert len(left) + gone == 20_000
    assert left[-100:] == list(range(19_900, 20_000))
    assert writer.bytes_on_disk() <= 2 << 20
