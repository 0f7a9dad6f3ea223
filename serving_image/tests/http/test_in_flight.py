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
    assert (state.in_flight, state.in_flight_seconds(999.0)) == (0, pytest.approx(5 + 4))


def test_rounding_does_not_add_up() -> None:
    state = State(max_body_bytes=1, timeout_seconds=1)
    for number in range(100_000):
        state.enter(started=1e6 + number / 7)
        state.leave(started=1e6 + number / 7, now=1e6 + number / 7)
    assert state.started_sum == 0
    assert state.in_flight_seconds(2e6) == 0


def test_a_server_says_how_many_were_in_flight(slow: RunningServer) -> None:
    """A request of two seconds counts while it lasts; the one that asks hardly counts."""
    before = gauge(slow, COUNTER)
    caller = threading.Thread(target=slow.post, args=("/v1/iris/predict", [[110.0, 1, 1, 1]]))
    started = time.monotonic()
    caller.start()
    time.sleep(1)
    first, first_at = gauge(slow, COUNTER), time.monotonic()
    assert 0.3 < first - before < first_at - started + 0.5
    caller.join()
    lasted = time.monotonic() - started
    assert lasted > 1.9
    assert 1.9 < gauge(slow, COUNTER) - before < lasted + 0.5
