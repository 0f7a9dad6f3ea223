"""One model, asked through the server's own loading and through mlflow.pyfunc."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from serving_image.tests.parity.saved import columns_of, compiled_record, load, rows_of, save
from serving_image.tests.parity.zoo import Entry
from threadpoolctl import threadpool_limits

from servestack_server.models.compiled.check import edge_rows, strange_rows
from servestack_server.models.compiled.edges import edges_of
from servestack_server.models.compiled.plan import Plan
from servestack_server.models.parity import DifferentError, compare


@dataclass(frozen=True)
class Result:
    """`differ` counts the rows whose answers differ by more than rounding, or are refused by one."""

    runtime: str
    reason: str
    rows: int
    differ: int
    largest: float
    native: float
    converted: float
    first: str


def compare_entry(entry: Entry, folder: Path) -> Result:
    """Fit, save, bake and load the model, and compare its answers to those of mlflow.pyfunc.

    With one thread: several that wait for each other take most of the time on small tables.
    """
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return _compare(entry, folder)


def _compare(entry: Entry, folder: Path) -> Result:
    table, model = entry.fit()
    frame = table.features
    save(model, frame, folder, predict_fn=entry.predict_fn)
    columns, rows = columns_of(frame), rows_of(frame)
    record = compiled_record(folder, columns, rows[:3])
    loaded = load(folder, columns, "auto")
    reference = mlflow.pyfunc.load_model(str(folder))

    def expected(some: list[Any]) -> Any:
        asked = pd.DataFrame(some, columns=list(frame))
        typed = {
            name: np.dtype("float64") if dtype.kind in "bi" and asked[name].isna().any() else dtype
            for name, dtype in frame.dtypes.items()
        }
        return np.asarray(reference.predict(asked.astype(typed)))

    differ, largest, first = _differing(expected, loaded.predict, rows)
    near: list[Any] = []
    if isinstance(loaded.native, Plan):
        near = edge_rows(rows, edges_of(loaded.native), columns)
        part = (loaded.native.library_rows or 1) - 1  # fewer rows go another way
        for at in range(0, len(rows + near) if part else 0, part or 1):
            some, by, third = _differing(expected, loaded.predict, (rows + near)[at : at + part])
            differ, largest, first = differ + some, max(largest, by), first or third
    more, wider, second = _differing(expected, loaded.predict, near)
    strange = strange_rows(rows[0], columns)
    for row in strange:
        some, by, third = _differing(expected, loaded.predict, [row])
        more, wider, second = more + some, max(wider, by), second or third
    speed = record.get("microseconds", {})
    return Result(
        loaded.runtime, record.get("reason", ""), len(rows) + len(near) + len(strange),
        differ + more, max(largest, wider), speed.get("native", [0.0])[0],
        speed.get("converted", [0.0])[0], first or second,
    )  # fmt: skip


def _differing(expected: Any, found: Any, rows: list[Any]) -> tuple[int, float, str]:
    """Return how many rows differ, the largest difference of the others, and the first of them."""
    if not rows:
        return 0, 0.0, ""
    left, right = _answer(expected, rows), _answer(found, rows)
    if left is not None and right is not None:
        try:
            return 0, compare(left, right), ""
        except DifferentError as error:
            if len(rows) == 1:
                return 1, 0.0, f"{rows[0]}: {error}"
    elif len(rows) == 1:
        refused = (left is None) != (right is None)
        said = f"{rows[0]}: {'mlflow' if left is None else 'the server'} refuses it"
        return int(refused), 0.0, said if refused else ""
    half = len(rows) // 2
    a, b = (_differing(expected, found, part) for part in (rows[:half], rows[half:]))
    return a[0] + b[0], max(a[1], b[1]), a[2] or b[2]


def _answer(predict: Any, rows: list[Any]) -> Any:
    try:
        return predict(rows)
    except Exception:  # whatever a framework raises is a refusal
        return None
