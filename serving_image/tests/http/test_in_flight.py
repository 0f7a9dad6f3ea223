"""The seconds that requests spend in flight, whose rate is their mean number."""

from __future__ import annotations

import threading
import time

import pytest
from serving_image.tests.http.test_limits import gauge
from serving_image.tests.support.server import RunningServer

from servestack_server.http.state import State

COUNTER = "servestack_requests_in_flight_seconds_total"


def test_seconds_count_while_a_request_has_no_answer_yet() -> None:
    state = State(max_body_bytes=1, timeout_seconds=1)
    state.enter(started=100.0)
    assert state.in_flight_seconds(103.0) == pytest.approx(3)
    state.enter(started=103.0)
    assert state.in_flight_seconds(105.0) == pytest.approx(5 + 2)
    state.leave(started=100.0, now=105.0)
    assert state.in_flight_seconds(106.0) == pytest.approx(5 + 3)
    state.leave(started=103.0, now=107.0)
    assert state.in_flight == 0
    assert state.in_flight_seconds(999.0) == pytest.approx(5 + 4)


def test_rounding_does_not_add_up() -> None:
    state = State(max_body_bytes=1, timeout_seconds=1)
    for number in range(100_000):
        state.enter(started=1e6 + number / 7)
        state.leave(started=1e6 + number / 7, now=1e6 + number / 7)
    assert state.started_sum == 0
    assert state.in_flight_seconds(2e6) == 0


def test_a_server_says_how_many_were_in_flight(slow: RunningServer) -> None:
    """Requests count while they last; the one that asks hardly counts."""
    before = gauge(slow, COUNTER)
    answers: list[int] = []

    def call() -> None:
        answers.append(slow.post("/v1/iris/predict", [[99.0, 1, 1, 1]]).status)  # 0.9 s

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    while gauge(slow, COUNTER) - before < 0.2 and len(answers) < 3:
        time.sleep(0.02)
    assert len(answers) < 3  # So they were counted before they had their answers.
    for caller in callers:
        caller.join()
    assert answers == [200, 200, 200]
    after = gauge(slow, COUNTER)
    assert after - before > 3 * 0.9
    time.sleep(2)
    assert gauge(slow, COUNTER) - after < 1
