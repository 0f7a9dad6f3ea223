"""Simulated experiments with a look at every unit, many at once.

The formulas are those of servestack.experiments.sequences over arrays of all runs and looks; at random
looks each trial compares them with those functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servestack.experiments.sequences import (
    SPLIT_CONCENTRATION,
    Sample,
    cautious_variance,
    difference,
    log_split_odds,
    radius,
)
from servestack.experiments.verdict import MINIMUM_UNITS

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, NDArray[np.bool_]], Floats]
"""The values of units, given which of them are of the variant."""

ALPHA, POWER = 0.05, 0.8
_Z = 1.959964 + 0.841621
"""Quantiles of the normal distribution for ALPHA, two-sided, and POWER."""
_AT_ONCE = 1_000_000
_SPOTS = 3


@dataclass(frozen=True)
class Trial:
    """A metric: its distribution, the share of the variant, and what the spec says of the effect.

    `lift` is the true difference. `variances` are those of control and variant.
    """

    name: str
    draw: Draw
    effect: float
    share: float = 0.5
    lift: float = 0.0
    variances: tuple[float, float] = (1.0, 1.0)
    is_binary: bool = False

    @property
    def fixed_units(self) -> int:
        """Units of a two-sided z-test of this lift, with ALPHA and POWER.

        Source: Lehr's formula with unequal shares, as in any textbook of clinical trials.
        """
        control, variant = self.variances
        variance = control / (1 - self.share) + variant / self.share
        return math.ceil(_Z * _Z * variance / self.lift**2)


def binary(rate: float, effect: float, *, share: float = 0.5, lift: float = 0.0) -> Trial:
    def draw(rng: np.random.Generator, treated: NDArray[np.bool_]) -> Floats:
        return (rng.random(treated.shape) < np.where(treated, rate + lift, rate)).astype(float)

    variances = (rate * (1 - rate), (rate + lift) * (1 - rate - lift))
    name = f"yes or no, {rate:g}" + (f" → {rate + lift:g}" if lift else "")
    return Trial(f"{name}, {share:.0%} of the units", draw, effect, share, lift, variances, True)


def normal(effect: float, *, share: float = 0.5, lift: float = 0.0) -> Trial:
    def draw(rng: np.random.Generator, treated: NDArray[np.bool_]) -> Floats:
        found: Floats = rng.normal(size=treated.shape) + lift * treated
        return found

    name = "normal" + (f", {lift:g} more" if lift else "")
    return Trial(f"{name}, {share:.0%} of the units", draw, effect, share, lift)


def lognormal(effect: float, *, share: float = 0.5, lift: float = 0.0) -> Trial:
    def draw(rng: np.random.Generator, treated: NDArray[np.bool_]) -> Floats:
        found: Floats = np.exp(rng.normal(size=treated.shape)) + lift * treated
        return found

    variance = (math.e - 1) * math.e
    name = "log-normal" + (f", {lift:g} more" if lift else "")
    return Trial(
        f"{name}, {share:.0%} of the units", draw, effect, share, lift, (variance, variance)
    )


@dataclass(frozen=True)
class Stops:
    """At which unit each run stopped; infinity: at none. `naive` is that of a z-test at each look."""

    found: Floats
    naive: Floats


def run(trial: Trial, looks: int, runs: int, seed: int) -> Stops:
    """Look at each unit of each run, up to `looks`."""
    rng = np.random.default_rng(seed)
    found: list[Floats] = []
    naive: list[Floats] = []
    each = max(_AT_ONCE // looks, 1)
    for start in range(0, runs, each):
        for rows, stops in zip(
            (found, naive), _stops(trial, rng, min(each, runs - start), looks), strict=True
        ):
            rows.append(stops)
    return Stops(np.concatenate(found), np.concatenate(naive))


def _stops(trial: Trial, rng: np.random.Generator, runs: int, looks: int) -> Iterator[Floats]:
    treated = rng.random((runs, looks)) < trial.share
    values = trial.draw(rng, treated)
    if trial.is_binary:
        low, high = np.zeros((runs, looks)), np.ones((runs, looks))
    else:
        low, high = np.minimum.accumulate(values, 1), np.maximum.accumulate(values, 1)
    counts, means, cautious, plain = [], [], [], []
    for of_variant in (False, True):
        own = treated == of_variant
        count = np.cumsum(own, 1)
        total = np.cumsum(np.where(own, values, 0.0), 1)
        squares = np.cumsum(np.where(own, values * values, 0.0), 1)
        mean = (total + low + high) / (count + 2)
        counts.append(count)
        means.append(total / np.maximum(count, 1))
        cautious.append((squares + low * low + high * high) / (count + 2) - mean * mean)
        plain.append(squares / np.maximum(count, 1) - means[-1] ** 2)
    together = (counts[0] * cautious[0] + counts[1] * cautious[1]) / (counts[0] + counts[1])
    own_counts = [np.maximum(count, 1) for count in counts]
    variance = sum(
        np.maximum(one, together) / count for one, count in zip(cautious, own_counts, strict=True)
    )
    found = means[1] - means[0]
    enough = (counts[0] >= MINIMUM_UNITS) & (counts[1] >= MINIMUM_UNITS)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = trial.effect**2 / variance
        around = np.sqrt(variance * (1 + 1 / odds) * (np.log1p(odds) - 2 * math.log(ALPHA)))
        naive_variance = plain[0] / own_counts[0] + plain[1] / own_counts[1]
        is_naive = np.abs(found) > 1.959964 * np.sqrt(naive_variance)
    _compare(trial, rng, treated, values, found, around, enough)
    yield _first(enough & (np.abs(found) > around))
    yield _first(enough & is_naive)


def _first(hits: NDArray[np.bool_]) -> Floats:
    return np.where(hits.any(1), hits.argmax(1) + 1.0, np.inf)


def _compare(
    trial: Trial, rng: np.random.Generator, treated: NDArray[np.bool_], values: Floats,
    found: Floats, around: Floats, enough: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Raise AssertionError if the arrays say something else than servestack's own functions."""
    for _ in range(_SPOTS):
        row, look = int(rng.integers(len(values))), int(rng.integers(values.shape[1]))
        if not enough[row, look]:
            continue
        seen, who = values[row, : look + 1], treated[row, : look + 1]
        low, high = (0.0, 1.0) if trial.is_binary else (float(seen.min()), float(seen.max()))
        samples = []
        for of_variant in (False, True):
            own = seen[who == of_variant]
            total = float(own.sum())
            variance = cautious_variance(len(own), total, float((own * own).sum()), low, high)
            samples.append(Sample(len(own), total / len(own), variance))
        one = difference(*samples)
        assert math.isclose(one.value, found[row, look], rel_tol=1e-6, abs_tol=1e-9)
        expected = radius(one.variance, ALPHA, trial.effect)
        assert math.isclose(expected, around[row, look], rel_tol=1e-6)


def split_alarms(
    share: float, actual: float, looks: int, runs: int, alpha: float, seed: int
) -> Floats:
    """At which unit the test of the split alarms in each run; infinity: at none."""
    rng = np.random.default_rng(seed)
    found: list[Floats] = []
    each = max(_AT_ONCE // looks, 1)
    asked = np.array([1 - share, share])
    for start in range(0, runs, each):
        treated = rng.random((min(each, runs - start), looks)) < actual
        of_variant = np.cumsum(treated, 1)
        before = np.where(treated, of_variant - 1, np.arange(looks) - of_variant)
        own = np.where(treated, asked[1], asked[0])
        # The odds are the product of each unit's predicted over its asked-for probability.
        predicted = (SPLIT_CONCENTRATION * own + before) / (SPLIT_CONCENTRATION + np.arange(looks))
        odds = np.cumsum(np.log(predicted / own), 1)
        counts = (looks - int(of_variant[0, -1]), int(of_variant[0, -1]))
        assert math.isclose(log_split_odds(counts, asked.tolist()), odds[0, -1], abs_tol=1e-6)
        found.append(_first(odds >= -math.log(alpha)))
    return np.concatenate(found)


def quantiles(stops: Floats, most: float) -> dict[str, Any]:
    """Median and mean of stops; a run that found nothing counts as `most`."""
    capped = np.minimum(stops, most)
    return {"median": float(np.median(capped)), "mean": float(capped.mean())}
