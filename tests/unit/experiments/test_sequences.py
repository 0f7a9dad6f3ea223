"""The formulas beside direct computations, another implementation, and simulated looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from servestack.experiments.sequences import (
    Difference,
    Sample,
    cautious_variance,
    difference,
    interval,
    log_split_odds,
    radius,
    ratio,
    units_until,
)
from tests.performance.experiment_trials import binary, run, split_alarms


@pytest.mark.parametrize(("variance", "alpha", "effect"), [(1e-4, 0.05, 0.02), (3.0, 0.001, 0.5)])
def test_the_radius_is_where_the_mixture_reaches_one_over_alpha(
    variance: float, alpha: float, effect: float
) -> None:
    """The likelihood ratio, averaged over a normal distribution of effects by quadrature."""
    found = radius(variance, alpha, effect)
    effects = np.linspace(-12 * effect, 12 * effect, 200_001)
    prior = np.exp(-0.5 * (effects / effect) ** 2) / (effect * math.sqrt(2 * math.pi))
    odds = np.exp((found * effects - effects**2 / 2) / variance)
    assert np.trapezoid(prior * odds, effects) == pytest.approx(1 / alpha, rel=1e-6)


def test_the_radius_is_that_of_theorem_2_2_for_units_of_variance_1() -> None:
    units, rho, alpha = 900, 0.1, 0.05
    theirs = math.sqrt(
        2 * (units * rho**2 + 1) / (units**2 * rho**2)
        * math.log(math.sqrt(units * rho**2 + 1) / alpha)
    )  # fmt: skip
    assert radius(1 / units, alpha, rho) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    ("counts", "shares", "theirs"),
    [
        # Of ssrm_test 0.1.5 by one of the authors, sequential_posteriors: log_bayes_factor.
        ([40, 60], [0.5, 0.5], 0.014828540927837253),
        ([5000, 5400], [0.5, 0.5], 3.565524581349564),
        ([9000, 700, 300], [0.9, 0.07, 0.03], -0.6933460553777877),
    ],
)
def test_the_odds_of_the_split_are_those_of_the_authors(
    counts: list[int], shares: list[float], theirs: float
) -> None:
    assert log_split_odds(counts, shares) == pytest.approx(theirs, abs=1e-6)


def test_the_odds_of_the_split_find_half_a_point_and_spare_what_is_as_asked() -> None:
    assert log_split_odds([50_500, 49_500], [0.5, 0.5]) < math.log(1000)
    assert log_split_odds([101_500, 98_500], [0.5, 0.5]) > math.log(1000)
    assert not np.isfinite(split_alarms(0.5, 0.5, 3000, 50, 0.001, 1)).any()


def test_a_variance_knows_that_a_rare_event_may_still_come() -> None:
    values = np.array([0.0] * 98 + [1.0] * 2)
    found = cautious_variance(100, 2, 2, 0, 1)
    assert found == pytest.approx(np.var([*values, 0, 1]))
    assert cautious_variance(100, 0, 0, 0, 1) > 0.009


def test_a_small_sample_does_not_look_certain() -> None:
    """No success among 100 of a variant with few units, beside 5% of the control's."""
    control = Sample(900, 0.05, cautious_variance(900, 45, 45, 0, 1))
    variant = Sample(100, 0.0, cautious_variance(100, 0, 0, 0, 1))
    found = interval(difference(control, variant), 0.05, 0.02)
    assert found.low < 0 < found.high


def test_a_ratio_has_the_spread_of_ratios() -> None:
    rng = np.random.default_rng(1)
    control, variant = Sample(4000, 10.0, 4.0), Sample(1000, 12.0, 9.0)
    found = ratio(control, variant)
    drawn = (12 + rng.normal(size=200_000) * math.sqrt(9 / 1000)) / (
        10 + rng.normal(size=200_000) * math.sqrt(4 / 4000)
    )
    assert found is not None
    assert found.value == pytest.approx(0.2)
    assert math.sqrt(found.variance) == pytest.approx(drawn.std(), rel=0.01)
    assert ratio(Sample(100, 0.1, 1.0), variant) is None


def test_the_units_that_are_expected_are_those_at_which_the_radius_is_reached() -> None:
    found = Difference(0.01, 1e-4)
    times = units_until(found, 0.05, 0.02, 0.01)
    assert times is not None
    assert radius(1e-4 / times, 0.05, 0.02) == pytest.approx(0.01, rel=1e-6)
    assert units_until(found, 0.05, 0.02, 0.0) is None


def test_looks_at_every_unit_raise_few_false_alarms_and_find_a_lift_in_time() -> None:
    """A small part of make bench-experiment."""
    same = binary(0.1, 0.05)
    stops = run(same, 1500, 150, 1)
    assert np.isfinite(stops.found).mean() <= 0.05
    assert np.isfinite(stops.naive).mean() > 0.2, "a test that is not made for looks"
    lifted = binary(0.1, 0.08, lift=0.08)
    fixed = lifted.fixed_units
    found = run(lifted, 4 * fixed, 60, 2).found
    assert np.median(found) <= 1.5 * fixed
