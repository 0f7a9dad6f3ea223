"""Experiments with a look at every unit: false alarms, and how soon a known lift is found.

    make bench-experiment            all of it, on one core: 3 minutes
    make bench-experiment RUNS=200   fewer runs of each

At most 5% of the A/A runs may raise a false alarm. A lift of the size that the spec names as
minimumEffect must be found within 1.5 times the units of a fixed z-test, in the median and in the mean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np

from servestack.experiments.sequences import log_split_odds
from servestack.experiments.verdict import CHECK_ALPHA
from tests.performance.experiment_trials import (
    ALPHA,
    Trial,
    binary,
    lognormal,
    normal,
    quantiles,
    run,
    split_alarms,
)
from tests.performance.serving.bars import Bar
from tests.performance.serving.venvs import HERE, PeerFailedError, peer_venv

LOOKS = 30_000
SPLIT_LOOKS = 20_000
TIMES_FIXED = 1.5
MOST_TIMES = 4
"""How long a run goes on, in units of the fixed test."""
SAME: tuple[Trial, ...] = (
    binary(0.01, 0.01),
    binary(0.1, 0.02),
    binary(0.5, 0.05),
    binary(0.05, 0.02, share=0.1),
    binary(0.05, 0.02, share=0.9),
    normal(0.1),
    normal(0.1, share=0.1),
    lognormal(0.2),
    lognormal(2.0, share=0.1),
)
"""A/A: no lift. The effect is what a spec would name."""
LIFTED: tuple[Trial, ...] = (
    binary(0.1, 0.02, lift=0.02),
    binary(0.01, 0.005, lift=0.005),
    binary(0.1, 0.03, lift=0.03, share=0.1),
    normal(0.1, lift=0.1),
    lognormal(0.2, lift=0.2),
)
LARGER = binary(0.1, 0.02, lift=0.04)
"""Twice the effect that the spec names: what a wrong guess costs."""
SPLITS = ((0.5, 0.5), (0.1, 0.1), (0.5, 0.51), (0.5, 0.52))
"""(share asked for, actual share)."""
PEER_RUNS = 60
PEER_SECONDS = 600


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_experiment")
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    began = time.monotonic()
    bars: list[Bar] = []
    print(
        f"A/A, a look at each of {LOOKS} units, {runs} runs each   sequence / z-test at each look"
    )
    for number, trial in enumerate(SAME):
        stops = run(trial, LOOKS, runs, number)
        alarms, naive = (float(np.isfinite(one).mean()) for one in (stops.found, stops.naive))
        print(f"  {trial.name}   {alarms:.2%} / {naive:.1%}   {naive / max(alarms, 1 / runs):.0f}x")
        bars.append(Bar(f"A/A, {trial.name}: {ALPHA:.0%} false alarms at most", f"{alarms:.2%}", alarms <= ALPHA))  # fmt: skip
    print(
        "lift   units of the fixed test; median / mean / share found by 1.5 times, in units of it"
    )
    for number, trial in enumerate((*LIFTED, LARGER)):
        fixed = trial.fixed_units
        looks = MOST_TIMES * fixed
        fewer = max(runs // 4, 1)
        stops = run(trial, looks, fewer, 100 + number)
        found = quantiles(stops.found, looks)
        median, mean = found["median"] / fixed, found["mean"] / fixed
        by_then = float((stops.found <= TIMES_FIXED * fixed).mean())
        print(f"  {trial.name}   {fixed}; {median:.2f} / {mean:.2f} / {by_then:.0%}")
        if trial is not LARGER:
            bars.append(Bar(f"{trial.name}: found in {TIMES_FIXED} times the fixed sample", f"median {median:.2f}, mean {mean:.2f}", max(median, mean) <= TIMES_FIXED))  # fmt: skip
    print(
        f"split   share with an alarm at {CHECK_ALPHA:g} within {SPLIT_LOOKS} units, median unit of it"
    )
    for number, (share, actual) in enumerate(SPLITS):
        stopped = split_alarms(share, actual, SPLIT_LOOKS, runs, CHECK_ALPHA, 200 + number)
        rate = float(np.isfinite(stopped).mean())
        when = f"{np.median(stopped):.0f}" if rate > 0.5 else "-"
        print(f"  asked {share:.0%}, is {actual:.0%}   {rate:.2%}, {when}")
        if share == actual:
            bars.append(Bar(f"split as asked, {share:.0%}: {CHECK_ALPHA:.1%} alarms at most", f"{rate:.2%}", rate <= CHECK_ALPHA + 2 / runs))  # fmt: skip
    bars += _beside_savvi()
    print(f"{time.monotonic() - began:.0f} s")
    for bar in bars:
        print(bar)
    return 0 if all(bar.met for bar in bars) else 1


def _beside_savvi() -> list[Bar]:
    """The normal lift and some odds as savvi has them; a peer that cannot be had is named."""
    trial = normal(0.1, lift=0.1)
    fixed = trial.fixed_units
    counts = [[40, 60], [5000, 5200], [100_000, 100_900], [0, 30]]
    asked = {
        "seed": 1, "runs": PEER_RUNS, "most": MOST_TIMES * fixed, "lift": trial.lift, "counts": counts,
        "shares": [0.5, 0.5],
        # Its prior as it comes, and as large as the effect that is looked for.
        "phis": [1, 1 / trial.effect**2],
    }  # fmt: skip
    try:
        done = subprocess.run(
            [peer_venv("savvi") / "bin/python", HERE / "peers/savvi/trial.py"],
            input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=PEER_SECONDS,
        )  # fmt: skip
    except (PeerFailedError, subprocess.SubprocessError) as error:
        print(f"savvi: not measured: {error}")
        return []
    answer = json.loads(done.stdout)
    most = MOST_TIMES * fixed
    ours = quantiles(run(trial, most, 500, 103).found, most)["median"]
    ratios = []
    for prior, given in zip(("its own prior", "our prior"), answer["stops"], strict=True):
        stops = np.array([np.inf if stop is None else stop for stop in given])
        theirs = quantiles(stops, most)
        ratios.append(ours / theirs["median"])
        print(
            f"savvi {answer['version']} with {prior}, {trial.name}, {PEER_RUNS} runs: median "
            f"{theirs['median'] / fixed:.2f}, mean {theirs['mean'] / fixed:.2f} of the fixed test; "
            f"ours needs {ratios[-1]:.2f} of its units"
        )
    apart = max(
        abs(log_split_odds(one, (0.5, 0.5)) - odds)
        for one, odds in zip(counts, answer["odds"], strict=True)
    )
    return [
        Bar("the split's log odds are savvi's", f"{apart:.1e} apart at most", apart < 1e-6),
        Bar("no more units than savvi's regression needs", f"{ratios[0]:.2f}", ratios[0] <= 1),
    ]


if __name__ == "__main__":
    sys.exit(main())
