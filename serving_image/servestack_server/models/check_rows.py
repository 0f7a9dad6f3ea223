"""Rows on which a converted model must give the same answers as the original."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servestack_contract.settings import Column

Row = tuple[Any, ...]
MADE_ROWS = 256
_NAMES_OF_ROWS = ("data", "instances", "inputs", "dataframe_records", "dataframe_split")
_NULL_SHARE = 0.05


def check_rows(folder: Path, example: Any, columns: tuple[Column, ...] | None) -> list[Row]:
    """Return the rows of the spec's example and the artifact's own, and `MADE_ROWS` made from both.

    A row is a tuple in the order of the columns. Empty if there is no example.
    """
    given = rows_of(example, columns) + rows_of(_serving_example(folder), columns)
    width = len(columns) if columns is not None else len(given[0]) if given else 0
    given = [row for row in given if len(row) == width]
    return given + _make_rows(given, columns) if given else []


def rows_of(body: Any, columns: tuple[Column, ...] | None) -> list[Row]:
    """Return the rows of an example in any form of a request; empty for another form."""
    if isinstance(body, dict):
        inner = next((body[name] for name in _NAMES_OF_ROWS if name in body), None)
        if inner is None:
            return rows_of([body], columns)
        return rows_of(inner, columns)
    if not isinstance(body, list | tuple) or not body:
        return []
    if isinstance(body[0], dict):
        names = [column.name for column in columns] if columns is not None else sorted(body[0])
        return [tuple(row.get(name) for name in names) for row in body if isinstance(row, dict)]
    if isinstance(body[0], list | tuple):
        return [tuple(row) for row in body if isinstance(row, list | tuple)]
    return [tuple(body)]


def _serving_example(folder: Path) -> Any:
    """Read MLflow's `serving_input_example.json`, a body for its scoring server; None without."""
    try:
        return json.loads((folder / "serving_input_example.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _make_rows(given: Sequence[Row], columns: tuple[Column, ...] | None) -> list[Row]:
    """Make rows around the examples, far enough to cross decision boundaries.

    They are the same on every machine. Every other row is rounded to the digits of the examples, as
    real data is. A rounded value can equal a tree's threshold exactly, and float32 may then take
    the other branch.
    """
    random = np.random.default_rng(0)
    made = []
    for number in range(MADE_ROWS):
        base = given[int(random.integers(len(given)))]
        made.append(
            tuple(
                _make_value(
                    value,
                    columns[index] if columns is not None else None,
                    [row[index] for row in given if row[index] is not None],
                    random,
                    rounded=number % 2 == 0,
                )
                for index, value in enumerate(base)
            )
        )
    return made


def _make_value(
    value: Any,
    column: Column | None,
    seen: list[Any],
    random: np.random.Generator,
    *,
    rounded: bool,
) -> Any:
    choice, step = random.random(), float(random.normal())
    if column is not None and column.may_be_null and choice < _NULL_SHARE:
        return None
    if column is not None and column.enum:
        return column.enum[int(choice * len(column.enum))]
    if value is None:
        value = seen[int(choice * len(seen))] if seen else 0.0
    if isinstance(value, bool):
        return choice < 0.5
    if not isinstance(value, int | float) or not math.isfinite(value):
        return seen[int(choice * len(seen))] if seen else value
    spread = max(max((abs(other) for other in seen), default=0.0) * 0.5, 1.0)
    moved = float(value) + step * spread
    if column is not None and column.minimum is not None:
        moved = max(moved, column.minimum)
    if column is not None and column.maximum is not None:
        moved = min(moved, column.maximum)
    if isinstance(value, int) and (column is None or column.type in ("integer", "long")):
        return round(moved)
    return round(moved, _decimals(seen)) if rounded else moved


def _decimals(seen: list[Any]) -> int:
    texts = [repr(float(value)) for value in seen if isinstance(value, int | float)]
    lengths = [len(text.split(".")[1]) for text in texts if "." in text and "e" not in text]
    return min(max(lengths, default=1), 6)
