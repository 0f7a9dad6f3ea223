"""The watch for drift: false alarms, found shifts, Evidently's answers, and what counting costs.

    make bench-drift                          all of it: 25 minutes
    make bench-drift ROUNDS=0                 without the cost: 10,000 windows of each size
    make bench-drift WINDOWS=0                the cost alone: 9 rounds of 5 s, of single rows and of batches

At most 1 window without drift in 1,000 may alarm; a shift of half a standard deviation must be found in
99% of single windows of 2,000 rows; counting may cost 3% of the throughput, of single rows as of
batches of 1,000.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from tools.install import install

from tests.performance.drift_by_evidently import update_answers
from tests.performance.drift_trials import false_alarms, found_shifts
from tests.performance.serving import ours
from tests.performance.serving.bars import Bar
from tests.performance.serving.contender import BATCHES, SIXTEEN, Scenario
from tests.performance.serving.measurement import Started, started
from tests.performance.serving.process import CLIENT_CORE
from tests.performance.serving.train import train_models

SIZES = ((150, 500), (150, 2000), (500, 2000), (2000, 500), (2000, 2000), (10_000, 2000))
"""(rows of the profile, rows of the window)."""
COST = 0.03


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_drift")
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    bars = [*_trials(arguments.windows), update_answers()] if arguments.windows else []
    if arguments.rounds:
        bars += _cost(arguments.rounds, arguments.seconds)
    for bar in bars:
        print(bar)
    return int(not all(bar.met for bar in bars))


def _trials(windows: int) -> list[Bar]:
    bars = []
    for at, (profile_rows, window_rows) in enumerate(SIZES):
        alarms = false_alarms(
            profile_rows=profile_rows, window_rows=window_rows, windows=windows, seed=at
        )
        promise = (
            f"at most 1 false alarm in 1,000 windows ({window_rows} rows, profile {profile_rows})"
        )
        bars.append(Bar(promise, f"{alarms} of {windows}", alarms <= windows / 1000))
        print(bars[-1], file=sys.stderr, flush=True)
    trials = windows // 10
    for profile_rows in (1000, 10_000):
        found = found_shifts(profile_rows=profile_rows, window_rows=2000, trials=trials, seed=9)
        promise = f"a shift of half a deviation is found in one window (profile {profile_rows})"
        bars.append(Bar(promise, f"{found} of {trials}", found >= 0.99 * trials))
    return bars


def _cost(rounds: int, seconds: int) -> list[Bar]:
    """Both servers up at once and asked in turn, so that other work on the machine hits both.

    The server has one core, so what it answers a second is one over its time of that core for an
    answer. The bar is on that time: other work on the machine changes it less than the throughput,
    which is told beside it.
    """
    install("wrk")
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as name:
        folder = Path(name)
        models = train_models(folder)
        model = models[SIXTEEN.model]
        contenders = ours.drift_contenders(models, folder)
        os.sched_setaffinity(0, {CLIENT_CORE})
        with (
            started(contenders["on"], model, folder / "on") as on,
            started(contenders["off"], model, folder / "off") as off,
        ):
            return [_cost_of(each, on, off, rounds, seconds) for each in (SIXTEEN, BATCHES)]


def _cost_of(scenario: Scenario, on: Started, off: Started, rounds: int, seconds: int) -> Bar:
    longer, fewer = [], []
    for number in range(rounds):
        spent, answered = {}, {}
        for which, run in (("on", on), ("off", off))[:: 1 if number % 2 else -1]:
            spent[which], answered[which] = _measured(run, scenario, seconds)
        longer.append(1 - spent["off"] / spent["on"])
        fewer.append(1 - answered["on"] / answered["off"])
        told = f"{spent['on']:.1f} µs an answer with the watch, {spent['off']:.1f} without"
        rates = f"{answered['on']:.0f} answers a second, {answered['off']:.0f} without"
        print(f"{scenario.title}: {told}; {rates}", file=sys.stderr, flush=True)
    cost = median(longer)
    return Bar(
        f"counting costs at most {COST:.0%} of the server's core ({scenario.title})",
        f"{cost:.1%}; {median(fewer):.1%} fewer answers a second", cost <= COST,
    )  # fmt: skip


def _measured(run: Started, scenario: Scenario, seconds: int) -> tuple[float, float]:
    """Microseconds of the server's core for one answer, and answers a second."""
    answers, used = run.answers, _used_seconds(run)
    figures = run.load(scenario, seconds)
    microseconds = (_used_seconds(run) - used) / (run.answers - answers) * 1e6
    return microseconds, figures.requests_per_second


def _used_seconds(run: Started) -> float:
    """Processor time of the server since its start. Source: proc(5), utime and stime of stat."""
    ticks = 0
    for pid in run.server.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    raise SystemExit(main())
