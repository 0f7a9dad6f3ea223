"""The drain reads what Filebeat writes of files that it knows from before it was restarted."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from tests.real.test_filebeat import write_events
from tests.support.filebeat import config_to_a_file, drain, running_filebeat

CHECKPOINT_BYTES = 10 * 2**20
"""Size of the registry's log above which Filebeat 7.17 writes a checkpoint."""


def lengthen_log(registry: Path, of: str) -> None:
    """Repeat the log's last words on a kind until the next write is a checkpoint."""
    log = registry / "log.json"
    lines = log.read_text().splitlines()
    number = max(json.loads(line).get("id", 0) for line in lines)
    state = [line for line in lines if f"::{of}::" in line][-1]
    with log.open("a") as stream:
        while stream.tell() <= CHECKPOINT_BYTES:
            number += 1
            stream.write(f'{{"op":"set","id":{number}}}\n{state}\n')


def test_offsets_that_were_read_back_are_understood(tmp_path: Path) -> None:
    registry = tmp_path / "data/registry/filebeat"
    config = config_to_a_file(tmp_path)
    with running_filebeat(tmp_path, config):
        write_events(tmp_path, "predictions", 0, 20_000)
        write_events(tmp_path, "feedback", 0, 100)
        (tmp_path / "events/.server-exited").touch()
        assert drain(tmp_path, 60).stderr == ""
    lengthen_log(registry, "feedback")
    with running_filebeat(tmp_path, config):
        write_events(tmp_path, "feedback", 100, 100)
        deadline = time.monotonic() + 30
        while not list(registry.glob("[0-9]*.json")) and time.monotonic() < deadline:
            time.sleep(0.1)
        (checkpoint,) = registry.glob("[0-9]*.json")
        known = checkpoint.read_text() + (registry / "log.json").read_text()
        assert re.search(r'"offset":\d[.]\d+e[+]06\b', known)
        assert drain(tmp_path, 20).stderr == ""
        # And it still waits: this line has no end, so Filebeat leaves it where it is.
        with (tmp_path / "events/predictions-1.ndjson").open("a") as stream:
            stream.write('{"id": "')
        assert "time is up" in drain(tmp_path, 2).stderr
