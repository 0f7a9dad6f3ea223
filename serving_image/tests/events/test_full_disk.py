"""A file system without room: nothing torn stays, nothing that was taken is lost."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_image.tests.events.event_support import (
    line,
    lines_on_disk,
    losses,
    number_of,
    settings,
)

from servestack_server.events.writer import EventWriter


@pytest.fixture(params=["tmpfs", "file size limit"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder whose file system holds 1 MiB; or where no file may be longer than 1 MiB.

    The second needs no right to mount, and stands for a disk whose single files are refused.
    """
    if request.param == "tmpfs":
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path],
            capture_output=True, check=False,
        )  # fmt: skip
        if mounted.returncode != 0:
            pytest.skip("no right to mount: only the file size limit is tested")
        yield tmp_path
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def make_room(folder: Path) -> None:
    """More disk: a larger tmpfs and no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    else:
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)


def append_until_refused(writer: EventWriter) -> int:
    """Append, slower than the thread writes, until memory is full too."""
    number = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if writer.append("predictions", line(number, 3001)):
            number += 1
            if number % 40 == 0:
                time.sleep(0.005)
        elif writer.last_error is not None:
            return number
        else:
            time.sleep(0.001)
    raise AssertionError("the disk did not become full")


def test_lines_wait_in_memory_until_there_is_room(small_disk: Path) -> None:
    events = settings(small_disk, disk_budget_bytes=64 << 20, kinds=("predictions", "feedback"))
    writer = EventWriter(events, registry=small_disk / "none")
    writer.start()
    taken = append_until_refused(writer)
    assert "No space" in str(writer.last_error) or "too large" in str(writer.last_error)
    assert taken > (8 << 20) // 3001  # what memory holds, and the disk beside it
    assert losses(writer)["predictions", "disk_error"] > 0
    written = writer.written["predictions"]
    assert 0 < written < taken

    # What is on the full disk is whole lines, and Filebeat may read them.
    assert [number_of(event) for event in lines_on_disk(small_disk)] == list(range(written))
    assert not writer.flush(0.5)

    make_room(small_disk)
    assert writer.flush(10)
    # Just after the last line is on disk the error is withdrawn, and more is taken.
    deadline = time.monotonic() + 10
    while writer.last_error is not None or not writer.append("predictions", line(taken, 3001)):
        assert time.monotonic() < deadline, writer.last_error
        time.sleep(0.001)
    assert writer.close(5)
    assert [number_of(event) for event in lines_on_disk(small_disk)] == list(range(taken + 1))
    assert writer.written["predictions"] == taken + 1
    assert writer.bytes_on_disk() == sum(f.stat().st_size for f in small_disk.glob("*.ndjson"))
    assert set(losses(writer)) <= {("predictions", "disk_error"), ("predictions", "queue_full")}


def test_what_is_still_in_memory_at_the_end_is_counted(small_disk: Path) -> None:
    events = settings(small_disk, disk_budget_bytes=64 << 20, when_full="unready")
    writer = EventWriter(events, registry=small_disk / "none")
    writer.start()
    taken = append_until_refused(writer)
    assert writer.is_full
    refused = losses(writer)["predictions", "disk_error"]
    assert not writer.close(0.5)
    on_disk = [number_of(event) for event in lines_on_disk(small_disk)]
    assert on_disk == list(range(len(on_disk)))
    lost = losses(writer)["predictions", "disk_error"] - refused
    assert len(on_disk) + lost == taken
    assert len(on_disk) == writer.written["predictions"]
