"""The formulas of drift beside scipy's and Evidently's, and how often they alarm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import distance
from scipy.stats import chi2

from servestack_contract import drift
from servestack_contract.profile import shares
from tests.performance.drift_trials import false_alarms, found_shifts
from tests.support.projects import REPOSITORY

# `make bench-drift` writes it.
EVIDENTLY: dict[str, Any] = json.loads(
    Path(__file__).with_name("drift_by_evidently.json").read_text()
)


@pytest.mark.parametrize("tail", [1e-8, 1e-5, 1e-3, 0.05, 0.5, 0.99])
def test_quantiles_are_those_of_scipy(tail: float) -> None:
    for degrees in (1, 2, 3, 5, 11, 22):
        assert drift.chi_squared_quantile(tail, degrees) == pytest.approx(
            chi2.isf(tail, degrees), rel=1e-9
        )


def test_distances_are_those_of_scipy_and_numpy() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        now, reference = random.dirichlet(np.full(8, 0.4), 2)
        now[0] = 0
        now /= now.sum()
        assert drift.js_distance(now.tolist(), reference.tolist()) == pytest.approx(
            distance.jensenshannon(now, reference), abs=1e-12
        )
        a = np.where(now, now, drift.ZERO_SHARE)
        expected = np.sum((a - reference) * np.log(a / reference))
        assert drift.psi(now.tolist(), reference.tolist()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sample", EVIDENTLY["samples"])
def test_distances_are_those_of_evidently(sample: dict[str, Any]) -> None:
    now, reference = shares(sample["now"]), shares(sample["reference"])
    assert drift.psi(now, reference) == pytest.approx(sample["psi"], abs=1e-9)
    assert drift.js_distance(now, reference) == pytest.approx(sample["js_distance"], abs=1e-9)


def test_answers_of_evidently_are_of_the_pinned_version() -> None:
    """Otherwise: `make bench-drift`."""
    pins = REPOSITORY / "tests/performance/serving/peers/evidently/requirements.txt"
    pinned = re.search(r"^evidently==(\S+)", pins.read_text(), re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == EVIDENTLY["evidently"]


def test_nothing_moves() -> None:
    assert drift.psi([0.5, 0.5, 0], [0.5, 0.5, 0]) == 0
    assert drift.js_distance([0.5, 0.5, 0], [0.5, 0.5, 0]) == 0
    assert drift.js_distance([1, 0], [0, 1]) == pytest.approx(np.sqrt(np.log(2)))


def test_a_rare_bucket_alone_is_no_drift() -> None:
    """PSI alone would alarm: ln(0.0375 / 0.0001) is large, and six rows are chance."""
    now, reference = [77, 77, 0, 6], [500, 500, 0, 0]
    assert drift.psi(shares(now), shares(reference)) > drift.PSI_FLOOR
    assert not drift.has_drifted(now, reference, chi2.isf(1e-5, 3), minimum_rows=100)


def test_a_short_form_of_the_trials() -> None:
    """`make bench-drift` has the long form."""
    assert false_alarms(profile_rows=150, window_rows=2000, windows=40, seed=5) == 0
    assert found_shifts(profile_rows=2000, window_rows=2000, trials=40, seed=5) == 40
