"""Finds the columns of a service's input in rows of any form that the routes read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from servestack_contract.profile import MAX_COLUMNS, WITHOUT_BUCKETS, Profile
from servestack_server.input.schema import AnySchema, Schema, TableSchema
from servestack_server.input.tensor_rows import TensorRows
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema

Array = np.ndarray[Any, Any]
Values = Sequence[Any] | Array

_TEXTS = ("string",)


class OtherFormError(Exception):
    """Rows that do not have the columns, such as the body of a language model."""


class InputReader:
    """The columns of an input that can have buckets.

    `columns` maps names to positions; it is empty if nothing is known of the input, and then
    `width` is None. Without names, columns are called by their position.
    """

    def __init__(self, schema: Schema) -> None:
        self.columns: dict[str, int] = {}
        self.width: int | None = None
        self._numbers: frozenset[int] = frozenset()
        self.has_names = True
        self._keeps_large = False
        if isinstance(schema, TableSchema):
            self._of_table(schema)
        elif isinstance(schema, TensorSchema):
            self._of_tensor(schema)
        elif isinstance(schema, TensorsSchema):
            self._of_tensors(schema)
        self.is_unknown = isinstance(schema, AnySchema)

    def _of_table(self, schema: TableSchema) -> None:
        self.width = len(schema.columns)
        for at, column in enumerate(schema.columns):
            if column.name and column.type not in WITHOUT_BUCKETS:
                self.columns[column.name] = at
        self._numbers = frozenset(
            at
            for at, column in enumerate(schema.columns)
            if column.type not in WITHOUT_BUCKETS and column.type not in _TEXTS
        )
        self._keeps_large = len(self.columns) < self.width

    def _of_tensor(self, schema: TensorSchema) -> None:
        inner = schema.tensor.shape[1:]
        self.has_names = False
        if len(inner) < 2 and all(1 <= size <= MAX_COLUMNS for size in inner):
            self.width = inner[0] if inner else 1
            self.columns = {str(at): at for at in range(self.width)}
            is_text = schema.tensor.dtype == "str"
            self._numbers = frozenset() if is_text else frozenset(range(self.width))

    def _of_tensors(self, schema: TensorsSchema) -> None:
        self._tensors = [
            name
            for name, part in schema.parts.items()
            if all(size == 1 for size in part.tensor.shape[1:])
        ]
        self.columns = {name: at for at, name in enumerate(self._tensors)}
        self.width = len(self._tensors) or None

    def positions(self, profile: Profile) -> list[int | None]:
        """Return the position in a row of each column of a profile; None where there is none.

        Columns are found by name. By position they are found in arrays, whose columns have no names,
        in rows of an input of which nothing is known, and where the profile has no names.
        """
        if self.is_unknown:
            return [column.position for column in profile.columns]
        if not self.has_names or profile.is_by_position:
            fits = self.width == profile.width
            places = set(self.columns.values())
            return [
                column.position if fits and column.position in places else None
                for column in profile.columns
            ]
        return [self.columns.get(column.name) for column in profile.columns]

    def kept(self, rows: Any, positions: Sequence[int], width: int) -> Any:
        """Return what to keep of rows until they are counted: not the large values beside them.

        Raises OtherFormError for rows without these columns.
        """
        if isinstance(rows, (np.ndarray, TensorRows)):
            return rows
        first = rows[0]
        if not isinstance(first, (list, tuple)) or len(first) != width:
            raise OtherFormError
        if self._keeps_large and positions:
            return [tuple(row[at] for at in positions) for row in rows]
        return rows

    def read(self, parts: Sequence[Any], positions: Sequence[int]) -> list[Values]:
        """Return the values of the columns at some positions, of all parts together.

        `parts` are as `kept` returned them. Raises OtherFormError if they do not fit together.
        """
        if not positions:
            return []
        first = parts[0]
        try:
            if isinstance(first, TensorRows):
                names = [self._tensors[at] for at in positions]
                return [np.concatenate([p[name].reshape(-1) for p in parts]) for name in names]
            if isinstance(first, np.ndarray):
                together = np.concatenate([part.reshape(len(part), -1) for part in parts])
                return [together[:, at] for at in positions]
        except (ValueError, IndexError, TypeError, AttributeError):
            raise OtherFormError from None
        rows: list[Any] = first if len(parts) == 1 else list(chain.from_iterable(parts))
        if self._keeps_large:
            inside: Sequence[int] = range(len(positions))
        else:
            inside = positions
        if self._numbers.issuperset(positions) and not self.is_unknown:
            matrix = _matrix(rows, inside)
            if matrix is not None:
                return list(matrix)
        columns = list(zip(*rows, strict=True))
        return [columns[at] for at in inside]


def _matrix(rows: list[Any], positions: Sequence[int]) -> Array | None:
    """Return numbers as an array of shape (columns, rows), with NaN for null. None if any is none."""
    if len(positions) == 1:
        rows = [(row[positions[0]],) for row in rows]
    elif len(positions) < len(rows[0]):
        rows = list(map(itemgetter(*positions), rows))
    try:
        return np.array(rows, dtype=np.float64).T
    except (TypeError, ValueError, OverflowError):
        return None
