"""Names, first bytes, torn lines, rotation and the files of earlier processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_image.tests.events.event_support import KINDS, line, lines_on_disk, number_of, settings

from servestack_server.errors import StartError
from servestack_server.events.files import count_lines, cut_torn_line, file_mark
from servestack_server.events.writer import EventWriter


def test_files_are_rotated_and_begin_each_with_bytes_of_their_own(tmp_path: Path) -> None:
    """The same id in every line, as a caller may send it."""
    writer = EventWriter(settings(tmp_path), registry=tmp_path / "none")
    writer.start()
    for _ in range(200):
        assert writer.append("predictions", line(1, 10_000))
        assert writer.flush(5)
    assert writer.close(5)
    files = sorted(tmp_path.glob("predictions-*.ndjson"))
    starts = {file.read_bytes()[:64] for file in files}
    assert len(files) == len(starts) == 6  # of 341 KiB: a quarter of 4 MiB for three kinds
    assert all(not start.strip() for start in starts)
    for file in files:
        assert len({json.dumps(json.loads(text)) for text in file.read_bytes().splitlines()}) == 1
        assert file.stat().st_mode & 0o777 == 0o640
        kind, host, worker, _, sequence = file.name.rsplit("-", 4)
        assert (kind, worker) == ("predictions", "0")
        assert host == os.uname().nodename
        assert sequence.endswith(".ndjson")


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second would take a line that the first is writing for a torn one."""
    first, second = (EventWriter(settings(tmp_path)) for _ in range(2))
    first.start()
    with pytest.raises(StartError, match="another server already writes its events to this folder"):
        second.start()
    assert first.append("predictions", line(1))
    assert first.close(5)
    third = EventWriter(settings(tmp_path))
    third.start()
    assert third.append("predictions", line(2))
    assert third.close(5)
    assert {number_of(event) for event in lines_on_disk(tmp_path)} == {1, 2}


@given(whole=st.lists(st.integers(0, 600_000), max_size=3), torn=st.integers(0, 600_000))
def test_what_follows_the_last_newline_is_cut(whole: list[int], torn: int) -> None:
    content = b"".join(b"x" * length + b"\n" for length in whole)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "torn"
        file.write_bytes(content + b"y" * torn)
        assert cut_torn_line(file) == len(content)
        assert file.read_bytes() == content
        assert count_lines(file) == len(whole)


def test_files_of_earlier_processes_are_mended_and_counted(tmp_path: Path) -> None:
    names = [f"{kind}-pod-0-20260101T000000ab-000001.ndjson" for kind in KINDS]
    mark = file_mark()
    (tmp_path / names[0]).write_bytes(mark + line(1) + b"\n" + line(2)[:20])
    (tmp_path / names[1]).write_bytes(line(3)[:20])
    (tmp_path / names[2]).write_bytes(mark + line(4) + b"\n")
    writer = EventWriter(settings(tmp_path), registry=tmp_path / "none")
    writer.start()
    assert [number_of(event) for event in lines_on_disk(tmp_path)] == [1]
    assert not (tmp_path / names[1]).exists()
    size = 64 + len(line(1)) + 1
    assert writer.bytes_on_disk() == 2 * size
    assert writer.unshipped_bytes == {"predictions": size, "feedback": 0, "access": size}
    assert writer.close(5)


def test_files_of_other_workers_are_left_alone(tmp_path: Path) -> None:
    torn = tmp_path / "predictions-pod-1-20260101T000000ab-000001.ndjson"
    torn.write_bytes(line(1)[:20])
    writer = EventWriter(settings(tmp_path), worker="0", workers=2)
    writer.start()
    assert torn.read_bytes() == line(1)[:20]
    assert writer.bytes_on_disk() == 0
    assert writer.close(5)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    (tmp_path / "events").mkdir()
    (tmp_path / "events/predictions-1.ndjson").symlink_to(outside)
    writer = EventWriter(settings(tmp_path / "events"))
    writer.start()
    assert writer.close(5)
    assert outside.read_bytes() == b"not ours"
