"""The real Filebeat ships what is written while files are rotated and deleted under it."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from serving_image.tests.events.event_support import line, number_of, settings
from tests.support.filebeat import config_to_a_file, drain, running_filebeat

from servestack_server.events.files import file_mark
from servestack_server.events.writer import EventWriter

KINDS = ("predictions", "feedback")


def shipped(folder: Path) -> Counter[int]:
    """How often each number came out."""
    (out,) = (folder / "out").glob("events*")
    return Counter(number_of(json.loads(text)) for text in out.read_bytes().splitlines())


def registry(folder: Path) -> Path:
    return folder / "data/registry/filebeat"


def wait_until_shipped(writer: EventWriter, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while sum(writer.unshipped_bytes.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not sum(writer.unshipped_bytes.values())


def test_all_events_arrive_while_files_come_and_go(tmp_path: Path) -> None:
    budget = 12 << 20
    events = settings(tmp_path / "events", kinds=KINDS, disk_budget_bytes=budget)
    largest = 0
    with running_filebeat(tmp_path, config_to_a_file(tmp_path)) as process:
        writer = EventWriter(events, registry=registry(tmp_path))
        writer.start()
        number = 0
        while number < 200_000:
            if writer.append("predictions" if number % 10 else "feedback", line(number)):
                number += 1
            else:
                # The budget is used up, as it is for a server with more to say than Kafka takes.
                time.sleep(0.01)
            if number % 500 == 0:
                on_disk = sum(f.stat().st_size for f in sizes(tmp_path / "events"))
                largest = max(largest, on_disk)
        assert writer.flush(5)
        wait_until_shipped(writer)
        made = writer._files._sequence
        time.sleep(2.5)
        left = sizes(tmp_path / "events")
        held = [
            target.stat().st_size
            for target in Path(f"/proc/{process.pid}/fd").iterdir()
            if "(deleted)" in str(target.readlink()) and ".ndjson" in str(target.readlink())
        ]
        assert writer.close(5)
        assert drain(tmp_path, 30).stderr == ""
        counts = shipped(tmp_path)
    assert set(counts) == set(range(200_000))
    assert made > 20
    assert largest <= budget
    assert len(left) <= len(KINDS)
    # Filebeat still has deleted files open, but they hold no blocks.
    assert sum(held) == 0


def sizes(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*.ndjson") if file.exists()]


def test_a_file_that_begins_with_a_known_id_is_read_from_its_start(tmp_path: Path) -> None:
    """A caller sends its ids again and again; files are deleted in between."""
    events = settings(tmp_path / "events", kinds=KINDS, disk_budget_bytes=1 << 20)
    with running_filebeat(tmp_path, config_to_a_file(tmp_path)):
        for _ in range(3):
            writer = EventWriter(events, registry=registry(tmp_path))
            writer.start()
            for number in range(500):
                assert writer.append("predictions", line(number))
            assert writer.flush(5)
            wait_until_shipped(writer)
            assert writer.close(5)
        assert drain(tmp_path, 30).stderr == ""
        assert set(shipped(tmp_path).values()) == {3}


def test_short_lines_are_shipped(tmp_path: Path) -> None:
    """Filebeat leaves a file alone until it has 64 bytes."""
    with running_filebeat(tmp_path, config_to_a_file(tmp_path)):
        writer = EventWriter(settings(tmp_path / "events"), registry=registry(tmp_path))
        writer.start()
        assert writer.append("predictions", b'{"id":"000000000001"}')
        assert writer.close(5)
        assert drain(tmp_path, 30).stderr == ""
        assert shipped(tmp_path) == {1: 1}


def test_a_torn_line_of_a_killed_server_is_not_shipped(tmp_path: Path) -> None:
    """And what came before it is, at least once."""
    old = tmp_path / "events/predictions-pod-0-1-000001.ndjson"
    with running_filebeat(tmp_path, config_to_a_file(tmp_path)):
        whole = file_mark() + b"".join(line(number) + b"\n" for number in range(100))
        old.write_bytes(whole + line(100)[:150])
        deadline = time.monotonic() + 30
        while not (tmp_path / "out").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        writer = EventWriter(settings(tmp_path / "events"), registry=registry(tmp_path))
        writer.start()
        assert writer.append("predictions", line(200))
        wait_until_shipped(writer)
        assert writer.close(5)
        assert drain(tmp_path, 30).stderr == ""
        counts = shipped(tmp_path)
    assert set(counts) == {*range(100), 200}


@pytest.fixture(autouse=True)
def _events_folder(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir(exist_ok=True)
