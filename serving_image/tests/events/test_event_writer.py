"""What is taken, what is refused, and what is counted."""

from __future__ import annotations

import fcntl
import json
import os
import threading
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

from servestack_server.errors import StartError
from servestack_server.events.writer import EventWriter


class Writers:
    """Makes started writers in one folder and closes those that a test leaves open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[EventWriter] = []

    def __call__(self, changes: dict[str, Any] | None = None, **options: Any) -> EventWriter:
        writer = EventWriter(settings(self.folder, **(changes or {})), **options)
        writer.start()
        self._made.append(writer)
        return writer


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    made = Writers(tmp_path)
    yield made
    for writer in made._made:
        if not writer._closing:
            writer.close(1)


def registry(folder: Path) -> Path:
    """A registry in which nothing is shipped."""
    return folder / "registry"


def test_lines_are_on_disk_in_order_and_whole(writers: Writers) -> None:
    writer = writers({"disk_budget_bytes": 64 << 20})
    for number in range(5000):
        assert writer.append("predictions", line(number))
    assert writer.append("feedback", line(7))
    assert writer.flush(5)
    assert [number_of(event) for event in lines_on_disk(writers.folder)] == list(range(5000))
    assert [number_of(event) for event in lines_on_disk(writers.folder, "feedback")] == [7]
    assert writer.written == {"predictions": 5000, "feedback": 1, "access": 0}
    assert losses(writer) == {}
    assert writer.bytes_on_disk() == sum(
        file.stat().st_size for file in writers.folder.glob("*.ndjson")
    )


def test_a_line_is_on_disk_without_a_flush(writers: Writers) -> None:
    """After times of rest too, in which the thread sleeps."""
    writer = writers(flush_interval_seconds=0.01)
    for number in range(3):
        assert writer.append("predictions", line(number))
        deadline = time.monotonic() + 5
        while len(lines_on_disk(writers.folder)) <= number and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(lines_on_disk(writers.folder)) == number + 1
        time.sleep(0.2)


def test_kinds_that_are_not_shipped_are_no_loss(writers: Writers) -> None:
    writer = writers({"kinds": ("predictions",)})
    assert writer.wants("predictions")
    assert not writer.wants("access")
    assert not writer.append("access", line(1))
    assert losses(writer) == {}


def test_a_line_that_kafka_would_not_take_is_refused(writers: Writers) -> None:
    """The longest that is taken fits as the first of a file, whose mark Filebeat counts too."""
    writer = writers()
    longest = writer.largest_line_bytes - 1
    assert not writer.append("predictions", line(1, longest + 1))
    assert writer.append("predictions", line(2, longest))
    assert writer.flush(5)
    assert losses(writer) == {("predictions", "too_large"): 1}
    (file,) = writers.folder.glob("predictions-*")
    assert file.stat().st_size == 1 << 14


def test_memory_is_bounded(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writers(flush_interval_seconds=30.0, registry=registry(writers.folder))
    monkeypatch.setattr(writer, "_ring", lambda: None)
    taken = 0
    while writer.append("predictions", line(taken, 10_000)):
        taken += 1
    assert taken == (1 << 20) // 10_001
    assert losses(writer) == {("predictions", "queue_full"): 1}
    monkeypatch.undo()
    assert writer.close(5)
    assert len(lines_on_disk(writers.folder)) == taken


def fill(writer: EventWriter, refused: int = 1) -> int:
    """Append until the budget is used up; returns how many lines were taken."""
    taken = 0
    while losses(writer).get(("predictions", "disk_budget"), 0) < refused:
        if writer.append("predictions", line(taken, 10_000)):
            taken += 1
        else:
            assert writer.flush(5)
    return taken


def test_the_disk_budget_is_never_exceeded(writers: Writers) -> None:
    writer = writers(registry=registry(writers.folder))
    taken = fill(writer, 50)
    on_disk = sum(file.stat().st_size for file in writers.folder.glob("*.ndjson"))
    assert (4 << 20) - 20_000 < on_disk <= 4 << 20
    assert not writer.is_full
    assert writer.unshipped_bytes["predictions"] == on_disk == writer.bytes_on_disk()
    assert [number_of(event) for event in lines_on_disk(writers.folder)] == list(range(taken))


def ship(folder: Path, share: float) -> None:
    """Write a registry in which Kafka has this share of each file."""
    registry(folder).mkdir(exist_ok=True)
    with (registry(folder) / "log.json").open("a") as log:
        for file in sorted(folder.glob("*.ndjson")):
            offset = int(file.stat().st_size * share)
            state = {"cursor": {"offset": offset}, "meta": {"source": str(file)}}
            for entry in ({"op": "set", "id": 1}, {"k": "a", "v": state}):
                log.write(json.dumps(entry, separators=(",", ":")) + "\n")


def became_ready(writer: EventWriter) -> bool:
    """Whether the writer is no longer full, within five seconds."""
    deadline = time.monotonic() + 5
    while writer.is_full and time.monotonic() < deadline:
        time.sleep(0.02)
    return not writer.is_full


def test_there_is_room_again_when_kafka_has_the_events(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servestack_server.events.writer.MAINTENANCE_SECONDS", 0.05)
    writer = writers({"when_full": "unready"}, registry=registry(writers.folder))
    fill(writer)
    assert writer.is_full
    files = len(list(writers.folder.glob("*.ndjson")))
    ship(writers.folder, 0.99)
    time.sleep(0.3)
    assert len(list(writers.folder.glob("*.ndjson"))) == files
    assert writer.is_full
    ship(writers.folder, 1)
    assert became_ready(writer)
    assert len(list(writers.folder.glob("*.ndjson"))) <= 1
    shipped = writer.bytes_on_disk()
    assert writer.append("predictions", line(1))
    assert writer.flush(5)
    assert 300 < writer.unshipped_bytes["predictions"] == writer.bytes_on_disk() - shipped < 400


def test_a_full_disk_makes_the_pod_unready_before_a_line_is_lost(writers: Writers) -> None:
    writer = writers({"when_full": "unready"}, registry=registry(writers.folder))
    number = 0
    while not writer.is_full:
        assert writer.append("predictions", line(number, 10_000))
        number += 1
        assert writer.flush(5)
        time.sleep(0.001)
    assert losses(writer) == {}
    assert writer.append("predictions", line(number))


def test_a_file_that_is_shipped_and_idle_is_let_go(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Filebeat forgets how far it was."""
    monkeypatch.setattr("servestack_server.events.writer.MAINTENANCE_SECONDS", 0.05)
    monkeypatch.setattr("servestack_server.events.retention.IDLE_FILE_SECONDS", 0.5)
    writer = writers(registry=registry(writers.folder))
    assert writer.append("predictions", line(1))
    assert writer.append("feedback", line(2))
    assert writer.flush(5)
    files = {file.name.split("-")[0]: file for file in writers.folder.glob("*.ndjson")}
    ship(writers.folder, 1)
    assert writer.append("feedback", line(3))
    deadline = time.monotonic() + 5
    while files["predictions"].exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not files["predictions"].exists()
    assert files["feedback"].exists()


def test_a_file_that_somebody_deleted_is_made_again(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servestack_server.events.writer.MAINTENANCE_SECONDS", 0.05)
    writer = writers()
    assert writer.append("predictions", line(1))
    assert writer.flush(5)
    next(writers.folder.glob("predictions-*")).unlink()
    deadline = time.monotonic() + 5
    while writer.bytes_on_disk() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert writer.append("predictions", line(2))
    assert writer.close(5)
    assert [number_of(event) for event in lines_on_disk(writers.folder)] == [2]


def test_an_accident_does_not_end_the_thread(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servestack_server.events.writer.MAINTENANCE_SECONDS", 0.0)
    writer = writers()
    monkeypatch.setattr(writer._retention, "make_room", lambda: 1 / 0)
    for number in range(5):
        assert writer.append("predictions", line(number))
        assert writer.flush(5)
        time.sleep(0.05)
    assert writer.close(5)
    assert len(lines_on_disk(writers.folder)) == 5


def test_where_nobody_ships_the_oldest_files_go(writers: Writers) -> None:
    writer = writers()
    for number in range(2000):
        assert writer.append("predictions", line(number, 10_000))
        if number % 50 == 0:
            assert writer.flush(5)
    assert writer.flush(5)
    time.sleep(0.1)
    left = [number_of(event) for event in lines_on_disk(writers.folder)]
    assert left == list(range(2000 - len(left), 2000))
    assert losses(writer) == {("predictions", "rotated_out"): 2000 - len(left)}
    assert (2 << 20) < writer.bytes_on_disk() <= 4 << 20


def test_what_is_appended_before_and_after_is_refused(tmp_path: Path) -> None:
    writer = EventWriter(settings(tmp_path))
    assert not writer.append("predictions", line(1))
    writer.start()
    assert writer.append("predictions", line(2))
    assert writer.close(5)
    assert not writer.append("predictions", line(3))
    assert losses(writer) == {("predictions", "not_running"): 2}
    assert [number_of(event) for event in lines_on_disk(tmp_path)] == [2]


def test_the_mark_is_there_between_two_servers_only(tmp_path: Path) -> None:
    mark = tmp_path / ".server-exited"
    mark.touch()
    writer = EventWriter(settings(tmp_path))
    writer.start()
    assert not mark.exists()
    assert writer.close(5)
    assert mark.exists()


def test_the_last_worker_leaves_the_mark(writers: Writers) -> None:
    first, second = (writers(worker=name, workers=2) for name in "01")
    # A worker that was killed: the kernel has given its lock back.
    killed = os.open(writers.folder / ".workers", os.O_RDWR)
    fcntl.flock(killed, fcntl.LOCK_SH)
    os.close(killed)
    assert first.append("predictions", line(1)) and second.append("predictions", line(2))
    assert first.close(5)
    assert not (writers.folder / ".server-exited").exists()
    assert second.close(5)
    assert (writers.folder / ".server-exited").exists()
    assert len(list(writers.folder.glob("predictions-*"))) == 2


def test_a_file_without_lines_is_not_left(tmp_path: Path) -> None:
    writer = EventWriter(settings(tmp_path))
    writer.start()
    assert writer.close(5)
    assert list(tmp_path.glob("*.ndjson")) == []


def test_a_folder_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        EventWriter(settings(tmp_path / "missing")).start()


def test_a_folder_that_is_a_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="Not a directory"):
        EventWriter(settings(tmp_path / "file")).start()


def test_a_folder_that_cannot_be_written_stops_the_start() -> None:
    """/proc/sys takes no files, from root neither."""
    with pytest.raises(StartError, match="event files cannot be written"):
        EventWriter(settings(Path("/proc/sys"))).start()


def test_nothing_is_lost_between_two_threads(writers: Writers) -> None:
    """The event loop appends while the other thread takes: every line comes out once."""
    writer = writers({"disk_budget_bytes": 64 << 20}, flush_interval_seconds=0.0005)
    taken = []

    def append() -> None:
        for number in range(60_000):
            if writer.append("predictions", line(number, 120)):
                taken.append(number)

    thread = threading.Thread(target=append)
    thread.start()
    thread.join()
    assert writer.close(5)
    assert [number_of(event) for event in lines_on_disk(writers.folder)] == taken
    assert len(taken) == writer.written["predictions"] == 60_000
