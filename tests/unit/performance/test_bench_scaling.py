"""What the command about scaling counts, and calls a missed bar."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.cluster.scaling.load import Request
from tests.cluster.scaling.project import ENGINES
from tests.cluster.scaling.trial import Outcome, Times
from tests.cluster.scaling.watch import Pod, Series, _current
from tests.performance.bench_scaling import _report

TIMES = Times(steady=1000.0, step=1600.0, steady_again=1690.0, end=2290.0)
ANSWERED = [(900.0, 1), (1617.0, 3), (1632.0, 4)]
"""The pods, over time, of an autoscaler that does what it should."""


def outcome(
    replicas: list[tuple[float, int]] | None = None,
    created: float = 1615.0,
    error: str = "",
    late: int = 0,
    without_event: int = 0,
) -> Outcome:
    changes = replicas or ANSWERED
    watch: Any = SimpleNamespace(
        replicas=Series(changes),
        desired=Series(changes),
        pods={"first": Pod(900.0, 910.0), "second": Pod(created, created + 9)},
    )
    requests = [Request("a", 1700.0, 0.5, ""), Request("b", 1800.0, 1.5, error)]
    rescales = len(changes) - 1
    return Outcome(ENGINES[0], TIMES, watch, requests, late, rescales, without_event)


def test_what_was_seen_is_told() -> None:
    assert _report([outcome()], 10) == []
    assert outcome().desired_after() == 17.0
    assert outcome().created_after() == [15.0]
    assert outcome().ready_after() == [24.0]
    assert outcome().in_flight(1690.0, 1890.0) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("seen", "missed"),
    [
        (outcome([(900.0, 1), (1300.0, 2), (1617.0, 4)]), ["scale events in 10 min at 1x"]),
        (outcome([*ANSWERED, (1800.0, 5)]), ["scale events in 10 min at 5x"]),
        (
            outcome([*ANSWERED, (1800.0, 3)]),
            ["scale events in 10 min at 5x", "pods removed, at any time"],
        ),
        # While the step is answered the number may rise more than once, and never fall.
        (outcome([(900.0, 1), (1617.0, 5), (1680.0, 4)]), ["pods removed, at any time"]),
        (outcome(created=1631.0), ["step: first pods created, s"]),
        (outcome(created=1500.0), ["step: first pods created, s"]),
        (outcome(error="503"), ["not answered 200"]),
        (outcome(late=1), ["sent late by the callers"]),
        (outcome(without_event=1), ["answered, and no event in Kafka"]),
    ],
)
def test_each_bar_can_be_missed(seen: Outcome, missed: list[str]) -> None:
    assert [
        problem.split(": ", 1)[1].rsplit(": ", 1)[0] for problem in _report([seen], 10)
    ] == missed


def test_the_autoscaler_tells_its_value_in_both_forms() -> None:
    assert _current({"type": "Pods", "pods": {"current": {"averageValue": "2853m"}}}) == 2.853
    assert _current({"type": "External", "external": {"current": {"averageValue": "3"}}}) == 3.0
    assert _current({"type": "External", "external": {"current": {}}}) is None
