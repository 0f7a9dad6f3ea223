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
        self._large: frozenset[int] = frozenset()
        self._is_numeric_table = False
        if isinstance(schema, TableSchema):
            self._of_table(schema)
        elif isinstance(schema, TensorSchema):
            self._of_tensor(schema)
        elif isinstance(schema, TensorsSchema):
            self._of_tensors(schema)
        self.is_unknown = isinstance(schema, AnySchema)

    @property
    def has_large_values(self) -> bool:
        """Whether rows may hold bytes, arrays or the like."""
        return bool(self._large)

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
        self._large = frozenset(range(self.width)) - set(self.columns.values())
        self._is_numeric_table = len(self._numbers) == self.width

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

    def without_large_values(self, rows: Any) -> Any:
        """Return the rows of a table without what has no buckets, so that it need not be kept.

        Nulls stand for it.
        """
        large = self._large
        return [
            tuple(None if at in large else value for at, value in enumerate(row)) for row in rows
        ]

    def compact(self, rows: Any) -> Any:
        """Return the rows of a table of numbers as an array; others as they are.

        An array keeps no object of the request. Some rows of each batch, kept for a while, would
        keep all of its memory from being used again in one piece, which slows down later requests.
        """
        if not self._is_numeric_table or isinstance(rows, np.ndarray):
            return rows
        try:
            return np.array(rows, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return rows

    def read(self, parts: Sequence[Any], positions: Sequence[int], width: int) -> list[Values]:
        """Return the values of the columns at some positions, of all parts together.

        A row has `width` values. Raises OtherFormError for rows without these columns.
        """
        if not positions:
            return []
        try:
            return self._read(parts, positions, width)
        except (ValueError, IndexError, TypeError, KeyError, AttributeError):
            raise OtherFormError from None

    def _read(self, parts: Sequence[Any], positions: Sequence[int], width: int) -> list[Values]:
        first = parts[0]
        if isinstance(first, TensorRows):
            names = [self._tensors[at] for at in positions]
            return [np.concatenate([part[name].reshape(-1) for part in parts]) for name in names]
        if isinstance(first, np.ndarray):
            together = np.concatenate([part.reshape(len(part), -1) for part in parts])
            return [together[:, at] for at in positions]
        rows: list[Any] = first if len(parts) == 1 else list(chain.from_iterable(parts))
        # Rows of a table have passed its schema; those of an unknown input may be anything.
        checked = rows if self.is_unknown else rows[:1]
        if not all(isinstance(row, (list, tuple)) and len(row) == width for row in checked):
            raise OtherFormError
        if self._numbers.issuperset(positions):
            matrix = _matrix(rows, positions)
            if matrix is not None:
                return list(matrix)
        columns = list(zip(*rows, strict=True))
        return [columns[at] for at in positions]


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
