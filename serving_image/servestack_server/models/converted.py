"""What a conversion gives: the files of a model that answers alike, and how it compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servestack_server.models.check_rows import Row
from servestack_server.models.model import Predict
from servestack_server.models.parity import microseconds

_SIZES = (1, 16)
"""Number of rows of a single request and of a batch. The speed is measured on both."""
Writer = Callable[[Path], object]
"""Writes the files of a converted model into a folder that exists."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What gives the same answers as the original. `record` is its part of bake.json."""

    write: Writer
    record: dict[str, Any]


def measured(native: Predict, converted: Predict, rows: list[Row]) -> dict[str, list[float]]:
    """Measure both on rows without a missing value, which a model may refuse."""
    rows = [row for row in rows if None not in row] or rows
    return {
        "rows": list(_SIZES),
        "native": [microseconds(native, rows[:size]) for size in _SIZES],
        "converted": [microseconds(converted, rows[:size]) for size in _SIZES],
    }


def one_line(error: Exception) -> str:
    """Return an error of a framework in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
