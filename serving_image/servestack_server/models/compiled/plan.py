"""A plan: which columns it takes, and its steps. How it is kept beside an artifact, and run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from servestack_contract.settings import Column, Input
from servestack_server.models.arrays import build_array_maker, column_dtype
from servestack_server.models.columns import TEXTUAL
from servestack_server.models.compiled import stored
from servestack_server.models.compiled.steps import Step
from servestack_server.models.compiled.together import Apart
from servestack_server.models.compiled.xgboost_steps import XgboostSums
from servestack_server.models.model import Array, Predict, Rows


@dataclass(frozen=True)
class Plan:
    """What a model does with rows of `width` columns.

    `positions` are the columns that the steps take, in order; None for all. `by_column`: the first
    step takes one array for each column, since they differ in type.
    """

    steps: list[Step]
    width: int
    positions: list[int] | None
    by_column: bool

    @property
    def library_rows(self) -> int | None:
        """The rows from which on a framework's own library answers a call; None if none ever does."""
        return min(_library_rows(self.steps), default=None)


def _library_rows(steps: list[Any]) -> Iterator[int]:
    for step in steps:
        if isinstance(step, XgboostSums):
            yield step.library_rows
        elif isinstance(step, Apart):
            for inner in step.steps:
                yield from _library_rows(inner)


def write_plan(plan: Plan, folder: Path) -> None:
    """Write the plan into a folder that exists."""
    description, arrays = stored.dump(plan.steps)
    whole = {
        "steps": description,
        "width": plan.width,
        "positions": plan.positions,
        "byColumn": plan.by_column,
    }
    (folder / "plan.json").write_text(json.dumps(whole), encoding="utf-8")
    with (folder / "arrays.npz").open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_plan(folder: Path) -> Plan:
    """Read the plan that `write_plan` has written."""
    whole = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        steps = stored.read(whole["steps"], arrays)
    return Plan(steps, whole["width"], whole["positions"], whole["byColumn"])


def build_predict(plan: Plan, given: Input) -> Predict:
    """Return the function from rows to the model's answers."""
    steps = plan.steps
    make: Any = (
        _columns_maker(plan, given) if plan.by_column else build_array_maker(given, plan.positions)
    )

    def predict(rows: Rows) -> Array:
        values = make(rows)
        with np.errstate(all="ignore"):
            for step in steps:
                values = step(values)
        answer: Array = values
        return answer

    return predict


def _columns_maker(plan: Plan, given: Input) -> Callable[[Rows], list[Array]]:
    columns = given.columns or ()
    order = plan.positions if plan.positions is not None else range(len(columns))
    dtypes = [(at, dtype_of(columns[at])) for at in order]

    def make(rows: Rows) -> list[Array]:
        values = list(zip(*rows, strict=True))
        return [np.array(values[at], dtype=dtype) for at, dtype in dtypes]

    return make


def dtype_of(column: Column) -> np.dtype[Any]:
    """Return the dtype of a column's own array; object for text."""
    return np.dtype(object) if column.type in TEXTUAL else column_dtype(column)
