"""Where the answer of a plan with trees changes, in terms of its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from servestack_server.models.compiled.features import Choose
from servestack_server.models.compiled.plan import Plan
from servestack_server.models.compiled.steps import (
    Arithmetic,
    Branches,
    Clip,
    Floats,
    Impute,
    Refuse,
    Stack,
    Step,
    width_after,
)
from servestack_server.models.compiled.together import Apart
from servestack_server.models.compiled.tree_graphs import splits_of
from servestack_server.models.compiled.trees import Trees, TreeSums
from servestack_server.models.compiled.xgboost_steps import XgboostSums, ZerosMissing

_INVERSE = {
    "add": np.subtract,
    "subtract": np.add,
    "multiply": np.divide,
    "divide": np.multiply,
}
_SAME_VALUE = (Clip, Floats, Impute, Refuse, Stack, ZerosMissing)
"""Steps after which a value is what it was before."""


def edges_of(plan: Plan) -> list[tuple[int, float]]:
    """Return the thresholds of all splits as (column, value), carried back through the steps before.

    A value is rounded as those steps round: the edge itself may be a few units in the last place
    away. Thresholds on something that was encoded have no place in the input and are left out.
    """
    return sorted({(_column(plan, at), value) for at, value in _edges(plan.steps)})


def _edges(steps: Sequence[Step]) -> Iterator[tuple[int, float]]:
    for number, step in enumerate(steps):
        if isinstance(step, Trees | TreeSums | XgboostSums):
            for feature, threshold in splits_of(step.graph):
                yield from _before(steps[:number], feature, threshold)
        elif isinstance(step, Apart):
            for at, inner in enumerate(step.steps):
                for feature, value in _edges(inner):
                    own = step.positions[at][feature] if step.positions else feature
                    yield from _before(steps[:number], own, value)


def _column(plan: Plan, at: int) -> int:
    return at if plan.positions is None else plan.positions[at]


def _before(steps: Sequence[Step], feature: int, value: float) -> Iterator[tuple[int, float]]:
    """Yield the feature and the value before these steps; nothing if there is none."""
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        if isinstance(step, Arithmetic):
            value = float(_INVERSE[step.operation](value, step.numbers[feature]))
        elif isinstance(step, Choose):
            feature = int(np.flatnonzero(step.mask)[feature])
        elif isinstance(step, Branches):
            branch, own = _branch_of(step, feature)
            for at, found in _before(step.steps[branch], own, value):
                yield from _before(steps[:number], step.positions[branch][at], found)
            return
        elif not isinstance(step, _SAME_VALUE):
            return
    if np.isfinite(value):
        yield feature, value


def _branch_of(step: Branches, feature: int) -> tuple[int, int]:
    """Return the branch that a feature of the result comes from, and its place among that one's."""
    for branch, (positions, inner) in enumerate(zip(step.positions, step.steps, strict=True)):
        width = width_after(inner, len(positions))
        if feature < width:
            return branch, feature
        feature -= width
    raise IndexError(feature)
