"""Compares the answers of two models, and measures their speed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servestack_server.models.model import Predict

TOLERANCE = 1e-4
"""About a thousand units in the last place of float32. The sum over some hundred trees, each rounded
to float32, may differ by that much. A tenth of a tolerance is allowed absolutely: here five decimals,
as in skl2onnx's own tests, which compare its converters with scikit-learn."""
_EXACT = {"float32": (1e-6, 1.2e-7)}
_EXACT_DOUBLE = (1e-9, 1e-15)
"""Relative and absolute tolerance of an exact form. The second is for a share 1 - p that is nearly 0:
it has the rounding of p, which is one unit in the last place of 1."""
_ROUND_SECONDS = 0.02
_ROUNDS = 5


class DifferentError(Exception):
    """The answers differ. The message says how."""


def compare(expected: Any, found: Any, *, tolerance: float | None = None) -> float:
    """Return the largest absolute difference of numbers; 0.0 for labels.

    `tolerance` is relative; None allows only the rounding of the type in which the model answers.
    Raises DifferentError unless labels are equal on every row and numbers are within the tolerances.
    """
    if isinstance(expected, dict | list) or isinstance(found, dict | list):
        raise DifferentError("the answers are not a single array")
    expected, found = np.asarray(expected), np.asarray(found)
    if expected.shape != found.shape:
        raise DifferentError(f"shape {list(found.shape)} instead of {list(expected.shape)}")
    if expected.dtype.kind == "f":
        if found.dtype.kind != "f":
            raise DifferentError(f"{found.dtype} instead of {expected.dtype}")
        if tolerance is None:
            tolerances = _EXACT.get(expected.dtype.name, _EXACT_DOUBLE)
        else:
            tolerances = (tolerance, tolerance / 10)
        return _compare_numbers(expected.astype(np.float64), found.astype(np.float64), *tolerances)
    if _kind(expected) != _kind(found):
        raise DifferentError(f"{found.dtype} instead of {expected.dtype}")
    unequal = int(np.count_nonzero(expected != found))
    if unequal:
        raise DifferentError(f"{unequal} of {expected.size} labels differ")
    return 0.0


def _kind(labels: np.ndarray[Any, Any]) -> str:
    """Return the kind of labels: all texts are one kind, and so are integers of any size."""
    kind: str = labels.dtype.kind
    return {"U": "O", "T": "O", "u": "i"}.get(kind, kind)


def _compare_numbers(
    expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], relative: float, absolute: float
) -> float:
    if not np.array_equal(np.isnan(expected), np.isnan(found)):
        raise DifferentError("NaN is in other places")
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.where(expected == found, 0.0, expected - found))
        allowed = absolute + relative * np.abs(expected)
    outside = int(np.count_nonzero(difference > allowed))
    largest = float(np.nanmax(difference, initial=0.0))
    if outside:
        raise DifferentError(f"{outside} of {expected.size} numbers differ, by up to {largest:.3g}")
    return largest


def microseconds(predict: Predict, rows: Sequence[Sequence[Any]]) -> float:
    """Return the mean time of a call in microseconds, in the best of a few rounds.

    One call before them is not counted.
    """
    predict(rows)
    return round(min(_mean_seconds(lambda: predict(rows)) for _ in range(_ROUNDS)) * 1e6, 1)


def _mean_seconds(call: Callable[[], object]) -> float:
    started, calls, elapsed = time.perf_counter(), 0, math.inf
    while calls == 0 or elapsed < _ROUND_SECONDS:
        call()
        calls += 1
        elapsed = time.perf_counter() - started
    return elapsed / calls
