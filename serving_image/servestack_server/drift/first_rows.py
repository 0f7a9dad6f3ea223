"""Collects the first rows that a pod answers, and makes a profile of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servestack_contract.buckets import make_profile
from servestack_contract.profile import Profile
from servestack_server.drift.input_reader import Array, InputReader, OtherFormError, Values
from servestack_server.drift.output_reader import read_outputs

_MAX_TEXTS = 1000
"""Different texts of a column beyond which it is not watched: it holds names, and takes memory."""
_MAX_OUTPUTS = 20


class FirstRows:
    """Rows for a profile, by column, until there are `wanted` of them. `columns` maps names to
    positions."""

    def __init__(self, reader: InputReader, columns: dict[str, int], wanted: int) -> None:
        self.columns = tuple(columns)
        self.positions = list(columns.values())
        self.wanted = wanted
        self.rows = 0
        self._reader = reader
        self._inputs = {name: _Column() for name in columns}
        self._outputs: dict[str, _Column] | None = None
        self._has_outputs = True

    @property
    def is_complete(self) -> bool:
        return self.rows >= self.wanted

    def add(self, rows: Sequence[Any], outputs: Sequence[Any] | None, size: int) -> None:
        """Keep the values of some rows. Raises OtherFormError if they are not of this input."""
        for column, values in zip(
            self._inputs.values(),
            self._reader.read(rows, self.positions, self._reader.width or 0),
            strict=True,
        ):
            column.add(values)
        self.rows += size
        if not self._has_outputs:
            return
        try:
            self._add_outputs(outputs, size)
        except OtherFormError:
            # Not one answer per row, or not always the same: the inputs are watched alone.
            self._has_outputs, self._outputs = False, None

    def _add_outputs(self, outputs: Sequence[Any] | None, size: int) -> None:
        if outputs is None:
            raise OtherFormError
        names = list(self._outputs) if self._outputs is not None else None
        found = read_outputs(outputs, names, size)
        if len(found) > _MAX_OUTPUTS:
            raise OtherFormError
        if self._outputs is None:
            self._outputs = {name: _Column() for name in found}
        for name, values in found.items():
            self._outputs[name].add(values)

    def profile(self) -> Profile:
        """Make the profile. Sorting takes some milliseconds for each column: call it in a thread."""
        kept = {name: column.values() for name, column in self._inputs.items()}
        outputs = {name: column.values() for name, column in (self._outputs or {}).items()}
        return make_profile(kept, outputs, is_by_position=not self._reader.has_names)


class _Column:
    """Values of one column. Equal texts are kept once."""

    def __init__(self) -> None:
        self._parts: list[Values] = []
        self._texts: dict[Any, Any] = {}

    def add(self, values: Values) -> None:
        if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
            self._parts.append(np.array(values))  # not a view, which keeps a whole batch
            return
        if len(self._texts) > _MAX_TEXTS:
            self._parts = [[None] * (sum(map(len, self._parts)) + len(values))]
            return
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        try:
            self._parts.append([self._texts.setdefault(value, value) for value in plain])
        except TypeError:  # a value without a hash has no bucket
            self._parts.append([None] * len(plain))

    def values(self) -> Values:
        """Return all of them; nothing but nulls if they were too many different texts."""
        size = sum(map(len, self._parts))
        if len(self._texts) > _MAX_TEXTS:
            return [None] * size
        if all(isinstance(part, np.ndarray) for part in self._parts):
            joined: Array = np.concatenate(self._parts)
            return joined
        return [value for part in self._parts for value in part]
