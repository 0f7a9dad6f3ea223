"""SIGKILL at any moment: an answer that somebody has read has its events, and every line is whole."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.api.owned_model import own_iris
from serving_image.tests.process.event_log import events
from serving_image.tests.process.load import Load, wait_until
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import running_server

from servestack_server.process import FLUSH_SECONDS

ALLOWED_SECONDS = FLUSH_SECONDS + 0.2
"""With `durability: buffered`: the interval, and what two cores shared with eight callers may add."""

EMITS = """
class Owner:
    def preprocess(self, rows):
        self.emit("asked", {"rows": len(rows)})
        return rows

    def postprocess(self, outputs):
        self.emit("told", {"rows": len(outputs)})
        return outputs
"""
V2 = {"name": "x", "datatype": "FP64", "shape": [1, 4]}


def killed_under(loads: list[Load], server: Any, seed: int) -> float:
    """Start the loads, kill the server at a moment of its own, and wait until all have noticed.

    Returns when it was killed, by time.monotonic().
    """
    for load in loads:
        load.start()
    wait_until(lambda: all(len(load.answered) > 20 for load in loads))
    time.sleep(random.Random(seed).uniform(0.1, 0.6))
    killed = time.monotonic()
    server.process.kill()
    server.process.wait()
    for load in loads:
        load.wait()
    return killed


def whole_lines(log: Path, kind: str) -> list[dict[str, Any]]:
    """The events of a kind. What follows the last newline is half a line at most."""
    found = []
    for file in log.glob(f"{kind}-*.ndjson"):
        *whole, torn = file.read_bytes().split(b"\n")
        found += [json.loads(line) for line in whole]
        assert torn == b"" or not torn.endswith(b"}")
    return found


def ids(log: Path, kind: str) -> set[str]:
    found = [event["id"] for event in whole_lines(log, kind)]
    assert len(found) == len(set(found))
    return set(found)


def answered(load: Load) -> set[str]:
    return {id for id, _ in load.answered}


@pytest.mark.parametrize("when_full", ["drop", "unready"])
@pytest.mark.parametrize("seed", range(3))
def test_no_answer_that_was_read_lacks_its_events(
    iris: Iris, tmp_path: Path, seed: int, when_full: str
) -> None:
    """Of every protocol, and whether the request itself is logged, its access, or its feedback."""
    log = tmp_path / "events"
    section = events(log, "predictions", "access", "feedback", whenFull=when_full)
    config = iris.config(events=section, batching={}, protocols=["seldon"])
    row, bad = [iris.rows[0]], [[1, 1, 1, -5]]
    with running_server(config, tmp_path) as server:

        def load(path: str, body: Any, callers: int = 2, good: int = 200) -> Load:
            return Load(
                server.port, json.dumps(body).encode(), callers=callers, path=path, good=good
            )

        predicting = [
            load("/v1/iris/predict", row, callers=8),
            load("/v1/iris/batch", [*row, *bad]),
            load("/invocations", {"inputs": row}),
            load("/v2/models/iris/infer", {"inputs": [V2 | {"data": row}]}),
            load("/api/v1.0/predictions", {"data": {"ndarray": row}}),
        ]
        feedback = load("/v1/iris/feedback", {"id": "of-before", "feedback": 1}, good=202)
        refused = load("/v1/iris/predict", bad, good=422)
        killed_under([*predicting, feedback, refused], server, seed)
    accesses, predictions = ids(log, "access"), ids(log, "predictions")
    for one in predicting:
        assert answered(one) <= predictions
        assert answered(one) <= accesses
    assert answered(feedback) <= accesses
    assert answered(refused) <= accesses
    assert len(whole_lines(log, "feedback")) >= len(answered(feedback)) > 0
    # The next server goes on in the same folder, and leaves whole lines only.
    with running_server(config, tmp_path) as server:
        assert server.post("/v1/iris/predict", row).status == 200
        assert server.stop() == 0
    for file in log.glob("*.ndjson"):
        for line in file.read_bytes().splitlines():
            json.loads(line)


def test_what_the_owners_code_emits_is_on_disk_before_the_answer(
    iris: Iris, tmp_path: Path
) -> None:
    """It runs in a thread of its own, and its events come from there."""
    log = tmp_path / "events"
    config = own_iris(iris, tmp_path, EMITS) | {"events": events(log, "predictions", "custom")}
    with running_server(config, tmp_path) as server:
        load = Load(server.port, json.dumps([iris.rows[0]]).encode(), path="/v1/iris/predict")
        killed_under([load], server, 7)
    assert answered(load) <= ids(log, "predictions")
    names = [event["data"]["name"] for event in whole_lines(log, "custom")]
    for name in ("asked", "told"):
        assert names.count(name) >= len(load.answered)


def test_buffered_events_are_at_most_one_interval_old(iris: Iris, tmp_path: Path) -> None:
    log = tmp_path / "events"
    config = iris.config(events=events(log, durability="buffered"), batching={})
    with running_server(config, tmp_path) as server:
        load = Load(server.port, json.dumps([iris.rows[0]]).encode(), path="/v1/iris/predict")
        killed = killed_under([load], server, 3)
    old = {id for id, at in load.answered if at < killed - ALLOWED_SECONDS}
    assert old <= ids(log, "predictions")
