"""How often the alert on drift fires without drift, and how often it finds a shift.

The formula is that of the rules: servestack_contract.drift, which tests/real/test_drift.py holds
equal to PromQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servestack_contract import drift
from servestack_contract.buckets import counter_of, make_column

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator, int], Array]

COLUMNS: dict[str, Draw] = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal": lambda random, n: random.lognormal(size=n),
    "half zeros": lambda random, n: random.exponential(size=n) * (random.random(n) > 0.6),
    "rounded": lambda random, n: random.normal(5, 1, n).round(1),
    "nulls": lambda random, n: np.where(random.random(n) < 0.02, np.nan, random.normal(size=n)),
    "rare nulls": lambda random, n: np.where(
        random.random(n) < 0.001, np.nan, random.normal(size=n)
    ),
    "codes": lambda random, n: np.minimum(random.zipf(1.7, n), 1000),
    "rare flag": lambda random, n: random.random(n) < 0.05,
    "counts": lambda random, n: random.poisson(3, n),
    "probabilities": lambda random, n: random.beta(0.3, 3, n),
}
"""What inputs look like: the columns of one model."""


def false_alarms(*, profile_rows: int, window_rows: int, windows: int, seed: int) -> int:
    """In how many windows without drift any column of the model alarms. Each has its own profile."""
    random = np.random.default_rng(seed)
    return sum(
        any(
            _alarms(draw(random, profile_rows), draw(random, window_rows), len(COLUMNS))
            for draw in COLUMNS.values()
        )
        for _ in range(windows)
    )


def found_shifts(*, profile_rows: int, window_rows: int, trials: int, seed: int) -> int:
    """How often a normal column that moves by half a standard deviation alarms in one window."""
    random = np.random.default_rng(seed)
    return sum(
        _alarms(random.normal(size=profile_rows), random.normal(0.5, 1, window_rows), len(COLUMNS))
        for _ in range(trials)
    )


def _alarms(profiled: Array, now: Array, columns: int) -> bool:
    column = make_column("x", profiled)
    counts = counter_of(column)(now).tolist()
    quantile = drift.chi_squared_quantile(drift.FALSE_ALARMS / columns, column.degrees_of_freedom)
    return drift.has_drifted(counts, column.all_counts, quantile)
