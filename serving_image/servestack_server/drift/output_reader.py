"""Finds a model's outputs in its answers to some rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servestack_server.drift.input_reader import OtherFormError, Values


def read_outputs(parts: Sequence[Any], names: Sequence[str] | None, size: int) -> dict[str, Values]:
    """Return the values of each output, of all parts together, which answer `size` rows.

    A part has one entry per row: an array, a mapping of arrays, or a list. `names` are those of the
    profile; None returns all. Of a mapping without these names, the first entry is the prediction,
    as the service's own routes answer it. Raises OtherFormError for answers of another form.
    """
    try:
        found = _read(parts, names)
    except (TypeError, ValueError, KeyError, IndexError, StopIteration):
        raise OtherFormError from None
    if any(len(values) != size for values in found.values()):
        raise OtherFormError
    return found


def _read(parts: Sequence[Any], names: Sequence[str] | None) -> dict[str, Values]:
    first = parts[0]
    if isinstance(first, dict):
        if names is not None and len(names) > 1 and set(names) <= first.keys():
            return {name: _flat([part[name] for part in parts]) for name in names}
        key = names[0] if names and names[0] in first else next(iter(first))
        return _read([_entry(part, key) for part in parts], names)
    if isinstance(first, np.ndarray):
        values: Any = _joined(parts)
        if values.ndim == 1:
            return _single(values, names)
        if values.ndim != 2:
            raise OtherFormError
        return _several(list(values.T), names)
    rows = [value for part in parts for value in part]
    if rows and isinstance(rows[0], dict):
        keys = list(rows[0]) if names is None or len(names) == 1 else list(names)
        return _several([[row[key] for row in rows] for key in keys], names, keys)
    if rows and isinstance(rows[0], (list, tuple, np.ndarray)):
        return _several(list(zip(*rows, strict=True)), names)
    return _single(rows, names)


def _entry(part: Any, key: str) -> Any:
    if not isinstance(part, dict) or key not in part:
        raise OtherFormError
    return part[key]


def _joined(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _flat(parts: Sequence[Any]) -> Values:
    values = _joined([np.asarray(part) for part in parts])
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise OtherFormError
    return values  # type: ignore[no-any-return]


def _single(values: Any, names: Sequence[str] | None) -> dict[str, Values]:
    if names is not None and len(names) != 1:
        raise OtherFormError
    return {names[0] if names else "prediction": values}


def _several(
    columns: list[Any], names: Sequence[str] | None, keys: Sequence[str] | None = None
) -> dict[str, Values]:
    """Return columns by name: those of the profile, of the answer, or their positions."""
    if len(columns) == 1:
        return _single(columns[0], names)
    if names is None:
        names = keys or [str(at) for at in range(len(columns))]
    if len(names) != len(columns):
        raise OtherFormError
    return dict(zip(names, columns, strict=True))
