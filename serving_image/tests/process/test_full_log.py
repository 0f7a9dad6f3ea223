"""The disk of the events is full: what callers are told, what is logged, and what is counted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.process.event_log import events, read
from serving_image.tests.process.load import Load, wait_until
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

DISK_BYTES = 256 << 10
PATH = "/v1/iris/predict"
KINDS = ("predictions", "access")


@dataclass
class SmallDisk:
    """A folder on a disk of its own; or any, and no file may be longer than `file_bytes`."""

    folder: Path
    file_bytes: int | None = None


@pytest.fixture(params=["tmpfs", "file size limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "events"
    folder.mkdir()
    if request.param != "tmpfs":
        yield SmallDisk(folder, DISK_BYTES)
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount: only the file size limit is tested")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def counts(server: RunningServer, metric: str) -> dict[str, float]:
    """The values of a counter by kind, over all reasons."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(server.get("/metrics").body.decode()):
        for sample in family.samples:
            if sample.name == metric:
                kind = sample.labels["kind"]
                found[kind] = found.get(kind, 0) + sample.value
    return found


def asked(server: RunningServer, iris: Iris, seconds: Any) -> Load:
    """Ask from several connections until the condition holds."""
    load = Load(server.port, json.dumps([iris.rows[0]]).encode(), callers=6, path=PATH)
    load.start()
    wait_until(lambda: seconds(load), 60)
    load.stop()
    assert [caller.lost for caller in load.callers] == [[]] * 6
    return load


def test_drop_answers_all_and_counts_exactly_what_is_not_on_disk(
    iris: Iris, tmp_path: Path, disk: SmallDisk
) -> None:
    config = iris.config(events=events(disk.folder, *KINDS), batching={})
    with running_server(config, tmp_path, file_bytes=disk.file_bytes) as server:
        load = asked(server, iris, lambda load: len(load.answered) > 2500)
        answers = len(load.answered)
        assert sum(caller.refused for caller in load.callers) == 0
        written = counts(server, "servestack_events_written_total")
        dropped = counts(server, "servestack_events_dropped_total")
        assert server.get("/readyz").status == 200
        assert server.stop() == 0
    for kind in KINDS:
        logged = {event["id"] for event in read(disk.folder, kind)}
        assert logged <= {id for id, _ in load.answered}
        assert len(logged) == written[kind] > 100
        assert written[kind] + dropped[kind] == answers
        assert dropped[kind] > 100


def test_unready_answers_nothing_that_is_not_on_disk(
    iris: Iris, tmp_path: Path, disk: SmallDisk
) -> None:
    section = events(disk.folder, *KINDS, whenFull="unready")
    config = iris.config(events=section, batching={})
    with running_server(config, tmp_path, file_bytes=disk.file_bytes) as server:
        load = asked(
            server, iris, lambda load: sum(caller.refused for caller in load.callers) > 200
        )
        dropped = counts(server, "servestack_events_dropped_total")
        refused = server.post(PATH, [iris.rows[0]])
        if disk.file_bytes is None:
            assert (refused.status, refused.json()["error"]["code"]) == (503, "log_full")
            assert refused.headers["retry-after"] == "5"
            assert server.get("/readyz").status == 503
            subprocess.run(["mount", "-o", "remount,size=64m", disk.folder], check=True)
            wait_until(lambda: server.get("/readyz").status == 200)
            assert server.post(PATH, [iris.rows[0]]).status == 200
        assert server.stop() == 0
    answered = {id for id, _ in load.answered}
    for kind in KINDS:
        logged = [event["id"] for event in read(disk.folder, kind)]
        assert len(logged) == len(set(logged))
        assert answered <= set(logged)
    assert len(answered) > 100
    assert dropped["predictions"] == 0


@pytest.mark.parametrize("when_full", ["drop", "unready"])
def test_feedback_that_is_not_on_disk_is_never_accepted(
    iris: Iris, tmp_path: Path, disk: SmallDisk, when_full: str
) -> None:
    section = events(disk.folder, "feedback", whenFull=when_full)
    accepted = 0
    with running_server(
        iris.config(events=section), tmp_path, file_bytes=disk.file_bytes
    ) as server:
        body = {"id": "of-before", "feedback": "x" * 4000}
        for _ in range(120):
            answer = server.post("/v1/iris/feedback", body)
            assert answer.status in (202, 503)
            accepted += answer.status == 202
        assert server.stop() == 0
    assert len(read(disk.folder, "feedback")) == accepted
    assert 20 < accepted < 100
