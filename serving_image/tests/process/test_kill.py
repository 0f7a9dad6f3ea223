"""SIGKILL: every answer older than the flush interval has its line, and every line is whole."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from serving_image.tests.process.event_log import events
from serving_image.tests.process.load import Load, wait_until
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import running_server

from servestack_server.process import FLUSH_SECONDS

ALLOWED_SECONDS = FLUSH_SECONDS + 0.2
"""The interval, and what two cores shared with eight callers may add to it."""


@pytest.mark.parametrize("seed", range(3))
def test_what_was_answered_is_on_disk(iris: Iris, tmp_path: Path, seed: int) -> None:
    log = tmp_path / "events"
    config = iris.config(events=events(log), batching={})
    with running_server(config, tmp_path) as server:
        load = Load(server.port, json.dumps([iris.rows[0]]).encode(), path="/v1/iris/predict")
        load.start()
        wait_until(lambda: len(load.answered) > 100)
        time.sleep(random.Random(seed).uniform(0.4, 1.0))
        killed = time.monotonic()
        server.process.kill()
        server.process.wait()
        load.wait()
    logged = set()
    for file in log.glob("predictions-*.ndjson"):
        *whole, torn = file.read_bytes().split(b"\n")
        logged |= {json.loads(line)["id"] for line in whole}
        assert torn == b"" or not torn.endswith(b"}")
    old = {id for id, at in load.answered if at < killed - ALLOWED_SECONDS}
    assert len(old) > 50
    assert old <= logged
    # The next server goes on in the same folder, and leaves whole lines only.
    with running_server(config, tmp_path) as server:
        assert server.post("/v1/iris/predict", [iris.rows[0]]).status == 200
        assert server.stop() == 0
    for file in log.glob("*.ndjson"):
        for line in file.read_bytes().splitlines():
            json.loads(line)
