"""Bodies and headers that were bent and broken: an answer for each, and never a failure.

SERVESTACK_FUZZ says how many requests are sent in all; CI sends the default.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from serving_image.tests.api.bent_requests import SELDON_PATH, Sent, requests
from serving_image.tests.http.caller import Caller, get, post
from serving_image.tests.process.event_log import KINDS, events, read
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

CASES = int(os.environ.get("SERVESTACK_FUZZ", "3000"))
INPUTS: dict[str, Any] = {
    "columns": None,
    "tensor": {"tensor": {"dtype": "float64", "shape": [-1, 4]}, "example": [[5.1, 3.5, 1.4, 0.2]]},
    "nothing": {"example": [[5.1, 3.5, 1.4, 0.2]]},
}
SHARES = {"columns": 0.6, "tensor": 0.2, "nothing": 0.2}
MAY_BE = {200, 202, 400, 404, 405, 413, 415, 422}


class Fuzzed:
    """A server, one connection to it, and what it has said."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.statuses: Counter[int] = Counter()
        self.codes: Counter[str] = Counter()
        self._caller: Caller | None = None

    def check(self, sent: Sent) -> None:
        if self._caller is None:
            self._caller = Caller(self.server.port, timeout_seconds=10)
        answer = self._caller.ask(sent.data)
        while answer.status == 100:
            answer = self._caller.answer()
        if answer.headers.get("connection") == "close":
            self._caller.__exit__(None, None, None)
            self._caller = None
        assert answer.status in MAY_BE, answer
        self.statuses[answer.status] += 1
        if answer.status < 400:
            return
        told = json.loads(answer.body)
        if sent.path.endswith(SELDON_PATH) and "status" in told:
            code = told["status"]["reason"]
        elif isinstance(told["error"], str) and "code" in told:
            code = told["code"]
        else:
            code = told["error"]["code"]
        self.codes[code] += 1


@pytest.fixture(params=list(INPUTS), scope="module")
def fuzzed(
    request: pytest.FixtureRequest, iris: Iris, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Fuzzed, Path]]:
    folder = tmp_path_factory.mktemp("fuzz")
    config = iris.config(
        events=events(folder / "events", *KINDS), batching={}, limits={"maxRows": 100},
        metrics={"drift": True}, protocols=["seldon"],
    )  # fmt: skip
    if INPUTS[request.param]:
        config["input"] = INPUTS[request.param]
    with running_server(config, folder) as server:
        yield request.param, Fuzzed(server), folder / "events"


def test_nothing_that_is_sent_makes_it_fail(fuzzed: tuple[str, Fuzzed, Path], iris: Iris) -> None:
    kind, target, log = fuzzed

    @settings(
        max_examples=int(CASES * SHARES[kind]), database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(requests())
    def send(sent: Sent) -> None:
        target.check(sent)

    send()
    server = target.server
    said = server.log.read_text()
    assert server.process.poll() is None
    assert "Traceback" not in said
    assert " ERROR " not in said
    with Caller(server.port) as caller:
        rows = iris.rows[:3]
        assert caller.ask(post(rows)).json()["predictions"] == iris.classes[:3]
        page = caller.ask(get("/metrics")).body.decode()
    assert "\nservestack_requests_in_flight" in page
    for line in page.splitlines():
        assert 'http_response_code="5' not in line
        if line.startswith(("servestack_requests_in_flight{", "servestack_queue_depth{")):
            assert line.endswith((" 1.0", " 0.0"))
    # All of it arrived, and it was not all refused at the door.
    assert sum(target.statuses.values()) >= int(CASES * SHARES[kind])
    assert target.statuses[200] > CASES * SHARES[kind] * 0.05
    assert len(target.codes) >= 12
    assert server.stop() == 0
    for event_kind in KINDS:
        assert all(event["id"] for event in read(log, event_kind))
