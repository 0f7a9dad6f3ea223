"""Checks that a plan answers as its model does. The argument that it must is in docs/adr/0017."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servestack_contract.settings import Column
from servestack_server.models.check_rows import Row
from servestack_server.models.columns import TEXTUAL
from servestack_server.models.model import Predict
from servestack_server.models.parity import DifferentError, compare

_EDGES = 400
"""So many thresholds are tried, spread over all of them."""
_COLUMNS = 20
_STRANGE = (
    None, float("nan"), float("inf"), -float("inf"), 1e39, -1e39, 1e300, 5e-324, -0.0,
    float(2**24 + 1), float(2**53), 1e-36,
)  # fmt: skip
_STRANGE_WHOLE = (2**24 + 1, 2**31 - 1, -(2**31), 2**53 + 1, 2**62 + 1, 0)


def edge_rows(
    given: Sequence[Row], edges: Sequence[tuple[int, float]], columns: tuple[Column, ...] | None
) -> list[Row]:
    """Return rows that stand at the edges, and a step of float64 and of float32 to either side."""
    step = max(1, len(edges) // _EDGES)
    rows = []
    for number, (at, value) in enumerate(edges[::step]):
        base = given[number % len(given)]
        near = np.float32(value)
        beside: list[Any] = [
            value,
            *(float(np.nextafter(value, side)) for side in (-np.inf, np.inf)),
            float(near),
            *(float(np.nextafter(near, np.float32(side))) for side in (-np.inf, np.inf)),
        ]
        if columns is not None and columns[at].type in ("integer", "long"):
            beside = [int(np.floor(value)) + more for more in (0, 1)]
        rows += [(*base[:at], other, *base[at + 1 :]) for other in beside]
    return [row for row in rows if columns is None or all(map(_fits, row, columns))]


def check_alike(
    native: Predict,
    plan: Predict,
    rows: list[Row],
    columns: tuple[Column, ...] | None,
    *,
    at_most: int = 0,
) -> float:
    """Return the largest difference on these rows, and on rows of strange values.

    `at_most`: ask again for so many rows at a time, since the plan then goes another way; 0 for no.
    Raises DifferentError if it is more than rounding, or if one of the two refuses a row that the
    other answers.
    """
    largest = _alike(native, plan, rows)
    if at_most > 0:
        parts = (rows[at : at + at_most] for at in range(0, len(rows), at_most))
        largest = max([largest, *(_alike(native, plan, part) for part in parts)])
    return max([largest, *(_alike(native, plan, [row]) for row in strange_rows(rows[0], columns))])


def _alike(native: Predict, plan: Predict, rows: Sequence[Row]) -> float:
    """Compare all rows at once, or in halves if one of them is refused."""
    expected, found = _answer(native, rows), _answer(plan, rows)
    if expected is not None and found is not None:
        return compare(expected, found)
    if len(rows) > 1:
        half = len(rows) // 2
        return max(_alike(native, plan, rows[:half]), _alike(native, plan, rows[half:]))
    if expected is not None or found is not None:
        raise DifferentError(f"{'the plan' if found is None else 'the model'} refuses {rows[0]}")
    return 0.0


def _answer(predict: Predict, rows: Sequence[Row]) -> Any:
    try:
        return predict(rows)
    except Exception:  # a framework refuses with whatever it has
        return None


def strange_rows(base: Row, columns: tuple[Column, ...] | None) -> list[Row]:
    rows = []
    for at in range(min(len(base), _COLUMNS)):
        column = columns[at] if columns is not None else None
        if column is not None and column.type in TEXTUAL:
            continue
        whole = column is not None and column.type in ("integer", "long")
        for value in _STRANGE_WHOLE if whole else _STRANGE:
            if column is None or _fits(value, column):
                rows.append((*base[:at], value, *base[at + 1 :]))
    return rows


def _fits(value: Any, column: Column) -> bool:
    """Whether a request can have this value in that column."""
    if value is None:
        return column.nullable or not column.required
    if column.type == "boolean":
        return isinstance(value, bool)
    if column.type == "integer":
        return isinstance(value, int) and -(2**31) <= value < 2**31
    if column.type == "long":
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return True
