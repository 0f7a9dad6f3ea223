"""What a model returns: whether it is one output for each row, and how it is divided and listed."""

from __future__ import annotations

from collections.abc import Set
from http import HTTPStatus
from typing import Any

import numpy as np

from servestack_server.errors import RequestError

_NO_ROWS = (str, bytes, dict, Set)


def require_by_row(outputs: Any, rows: int, hint: str = "") -> None:
    """Raise RequestError (500) unless there is one output for each row, in each part of a mapping.

    `hint` is the end of its message.
    """
    if type(outputs) is np.ndarray and outputs.ndim and len(outputs) == rows:
        return
    parts = outputs.values() if isinstance(outputs, dict) else (outputs,)
    if parts and all(_is_by_row(part, rows) for part in parts):
        return
    raise RequestError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "not_by_row",
        f"the model returned {_told(outputs)} for {rows} rows, where this route needs one output for "
        f"each row{hint}",
    )  # fmt: skip


def _is_by_row(outputs: Any, rows: int) -> bool:
    try:
        has_length = len(outputs) == rows
    except TypeError:  # a scalar, None, an array without an axis
        return False
    # A tuple of arrays has one for each output of a model, whatever their number.
    is_of_outputs = isinstance(outputs, tuple) and any(hasattr(item, "shape") for item in outputs)
    return has_length and not is_of_outputs and not isinstance(outputs, _NO_ROWS)


def _told(outputs: Any) -> str:
    """Say what a model has returned, without its values."""
    if isinstance(outputs, dict):
        return f"a mapping with the names {', '.join(map(str, outputs))[:100] or '(none)'}"
    if outputs is None:
        return "nothing (None)"
    if isinstance(outputs, str | bytes) or not hasattr(outputs, "__len__"):
        return f"a single value ({type(outputs).__name__})"
    if not getattr(outputs, "shape", True):
        return "a single value"
    return f"{len(outputs)} outputs"


def part_of(outputs: Any, start: int, end: int, step: int | None = None) -> Any:
    """Return the outputs of the rows from `start` to before `end`, or of every `step`-th of them."""
    if isinstance(outputs, dict):
        return {name: values[start:end:step] for name, values in outputs.items()}
    return outputs[start:end:step]


def listed(outputs: Any) -> list[Any]:
    """Return outputs as a list with one plain value per row.

    A mapping of arrays becomes a list of mappings.
    """
    if isinstance(outputs, np.ndarray):
        values: list[Any] = outputs.tolist()
        return values
    if isinstance(outputs, dict):
        names = list(outputs)
        columns = [listed(values) for values in outputs.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return list(outputs)
