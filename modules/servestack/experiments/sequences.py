"""Formulas whose answers hold at every look: a confidence sequence, and a test of shares.

Both bound the probability of ever being wrong, over all looks together, so that anyone may look at any
time and stop when they like. docs/adr/0024-experiments.md derives them from their sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SPLIT_CONCENTRATION = 10_000.0
"""How close to the asked shares the shares are that the split's test looks for: within about half a
percentage point of 50%. It is the default of Lindon's own implementation, ssrm_test."""

_FARTHEST = 1e6
"""Most times of the present units that are looked ahead."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The observations of one variant: how many, their mean and their variance."""

    count: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two means, and the variance of that difference."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence sequence at this look."""

    low: float
    high: float


def cautious_variance(count: float, total: float, squares: float, low: float, high: float) -> float:
    """Return the variance of `count` observations with one more at each end of their range.

    `total` and `squares` are the sums of the observations and of their squares, `low` and `high` the
    ends of the range that observations of all variants have. A rare event that no unit of a variant
    has had yet would otherwise give a variance of 0, and certainty. Source: Agresti, Caffo, *Simple
    and effective confidence intervals for proportions and differences of proportions*, The American
    Statistician 54 (2000): one success and one failure more in each sample.
    """
    mean = (total + low + high) / (count + 2)
    return max((squares + low * low + high * high) / (count + 2) - mean * mean, 0.0)


def difference(control: Sample, variant: Sample) -> Difference:
    """Return variant minus control.

    The variance of either counts as at least that of both together: where a small sample happens to
    have no large values, it has too small a variance as well, and would look certain to be lower.
    """
    together = (control.count * control.variance + variant.count * variant.variance) / (
        control.count + variant.count
    )
    of_control = max(control.variance, together) / control.count
    of_variant = max(variant.variance, together) / variant.count
    return Difference(variant.mean - control.mean, of_control + of_variant)


def ratio(control: Sample, variant: Sample) -> Difference | None:
    """Return variant / control - 1, by the delta method; None if the control's mean may be 0."""
    of_control = control.variance / control.count
    if abs(control.mean) <= 4 * math.sqrt(of_control):
        return None
    quotient = variant.mean / control.mean
    of_variant = variant.variance / variant.count
    variance = (of_variant + quotient * quotient * of_control) / control.mean**2
    return Difference(quotient - 1, variance)


def radius(variance: float, alpha: float, effect: float) -> float:
    """Return half the width of the confidence sequence of a difference of means.

    `variance` is that of the difference, above 0. `effect` is the size of effects that the sequence
    is tightest for, roughly. The mixture's distribution is normal with this standard deviation:
    sqrt(V (1 + V/effect²) (log(1 + effect²/V) - 2 log alpha)).

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, *Time-uniform central limit theory and
    asymptotic confidence sequences*, Annals of Statistics 52 (2024), theorem 2.2, with
    rho² = effect² / (t V) for t units; the same boundary as the mixture sequential probability ratio
    test of Johari, Koomen, Pekelis, Walsh, *Always valid inference*, Operations Research 70 (2022).
    """
    odds = effect * effect / variance
    return math.sqrt(variance * (1 + 1 / odds) * (math.log1p(odds) - 2 * math.log(alpha)))


def interval(found: Difference, alpha: float, effect: float) -> Interval:
    """Return the confidence sequence of a difference at this look."""
    around = radius(found.variance, alpha, effect)
    return Interval(found.value - around, found.value + around)


def units_until(found: Difference, alpha: float, effect: float, decided_at: float) -> float | None:
    """Return how many times the present units decide, if the difference stays what it is.

    That is when the radius has shrunk to `decided_at`, 1 at least. None: beyond anything sensible.
    """
    if decided_at <= 0:
        return None

    def is_enough(times: float) -> bool:
        return radius(found.variance / times, alpha, effect) < decided_at

    if not is_enough(_FARTHEST):
        return None
    low, high = 1.0, _FARTHEST
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def log_split_odds(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the log of the odds that the shares are other ones than were asked for.

    `shares` are those that were asked for and add up to 1. If the split is as asked, the odds ever
    exceed 1/alpha with probability alpha at most. They depend on the counts alone, not on their order.

    Source: Lindon, Malek, *Anytime-valid inference for multinomial count data*, NeurIPS 2022,
    equation 4: the Bayes factor of a Dirichlet prior around the shares against the shares themselves.
    """
    prior = SPLIT_CONCENTRATION
    odds = math.lgamma(prior) - math.lgamma(prior + sum(counts))
    for count, share in zip(counts, shares, strict=True):
        odds += math.lgamma(prior * share + count) - math.lgamma(prior * share)
        odds -= count * math.log(share)
    return odds
