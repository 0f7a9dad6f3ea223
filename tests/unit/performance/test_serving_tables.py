"""Ratios and promises from given figures."""

from __future__ import annotations

from tests.performance.serving.bars import judge
from tests.performance.serving.contender import ONE, SIXTEEN
from tests.performance.serving.log_cost import LogCost
from tests.performance.serving.measurement import Result
from tests.performance.serving.ours import BUFFERED, NATIVE
from tests.performance.serving.tables import log_table, scenario_table
from tests.performance.serving.wrk import Figures


def figures(rate: float, p50_ms: float = 1.0, p99_ms: float = 2.0, **errors: int) -> Figures:
    return Figures(int(rate), rate, p50_ms, p99_ms, 9.0, errors)


def result(name: str, kind: str, made: Figures, megabytes: float = 100.0) -> Result:
    measured = {ONE: made, SIXTEEN: made}
    return Result(name, kind, "iris", 1.2, megabytes, "", measured, {ONE: 0.0, SIXTEEN: 0.07})


def cells(lines: list[str], name: str) -> list[str]:
    line = next(line for line in lines if line.startswith(name))
    return line.removeprefix(name).split()


def test_ratios_are_to_the_best_peer_and_the_highest_floor() -> None:
    results = [
        result("quick", "peer", figures(2000)),
        result("slow", "peer", figures(1000)),
        result("ours", "ours", figures(9000)),
        result("echo", "floor", figures(20000)),
        result("other echo", "floor", figures(10000)),
    ]
    lines = scenario_table(SIXTEEN, results)
    assert [line.split()[0] for line in lines[2:]] == ["echo", "other", "ours", "quick", "slow"]
    assert cells(lines, "ours")[-3:] == ["4.50", "0.45", "7"]
    assert cells(lines, "slow")[-3:] == ["0.50", "0.05", "7"]


def test_a_peer_that_fails_requests_is_shown_but_is_nobodys_measure() -> None:
    results = [
        result("broken", "peer", figures(50000, status=7)),
        result("sound", "peer", figures(1000)),
        result("ours", "ours", figures(5000)),
    ]
    lines = scenario_table(SIXTEEN, results)
    assert cells(lines, "ours")[-3:] == ["5.00", "-", "7"]
    assert lines[-1] == "  ! broken: 7 status errors; not counted as best"


def test_a_server_that_did_not_start_is_named_with_its_reason() -> None:
    absent = Result("absent", "peer", "iris", problem="ended with 1: no module")
    lines = scenario_table(SIXTEEN, [absent, result("sound", "peer", figures(1000))])
    assert lines[-1] == "  ! absent: ended with 1: no module"
    assert len(lines) == 4


def test_promises_are_met_or_missed_by_their_figures() -> None:
    results = [
        result("peer", "peer", figures(1000, p50_ms=4.0), megabytes=120),
        result(NATIVE, "ours", figures(4990, p50_ms=0.9, p99_ms=3.9), megabytes=119),
    ]
    bars = judge(
        results,
        {NATIVE: 0.0004},
        {NATIVE: LogCost([899, 500, 950], [1000, 1000, 1000], 100, 99, 0.0)},
    )
    assert [(bar.measured, bar.met) for bar in bars] == [
        ("4.99", False),
        ("3.90 against 4.00 ms", True),
        ("1.20 s", True),
        ("0.500 ms above 0.400 ms", False),
        ("119 against 120 MB", True),
        ("10.1%, others had up to 0% of a core", False),
        ("99 events, 100 answers", False),
    ]


def test_each_kind_of_log_has_its_row() -> None:
    rates = [1000.0, 1000.0, 500.0]
    costs = {
        NATIVE + BUFFERED: LogCost([950, 940, 480], rates, 100, 90, 0.0),
        NATIVE: LogCost([900, 920, 460], rates, 100, 101, 0.0),
    }
    lines = log_table(costs)
    assert "3 rounds" in lines[0]
    assert cells(lines, NATIVE + BUFFERED) == ["940", "1,000", "5.0%", "10"]
    assert cells(lines, f"{NATIVE}, log before answer") == ["900", "1,000", "8.0%", "0"]
