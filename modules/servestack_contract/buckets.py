"""Makes the buckets of columns, and counts values into them.

Training and server count with this same code. It is the only module of the contract that needs
numpy, and nothing but profiles imports it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import msgspec.structs
import numpy as np

from servestack_contract.profile import (
    MAX_CATEGORIES,
    MAX_COLUMNS,
    CategoryColumn,
    LeftOut,
    NumericColumn,
    Profile,
    ProfiledColumn,
    Value,
)

BINS = 10
"""Buckets of numbers, unless there are too few rows."""
ROWS_PER_BIN = 50
"""Rows that a bucket needs to be one on its own: below it, its share is mostly chance."""
_MIN_SHARE = 0.01
"""Share of the rows that a category needs."""
_COVERED = 0.5
"""Share of the rows that the categories must cover together. Names and ids do not."""

Array = np.ndarray[Any, Any]
Counts = np.ndarray[Any, np.dtype[np.int64]]


C = TypeVar("C", NumericColumn, CategoryColumn)


class _Column(NamedTuple):
    name: str
    position: int


class NoBucketsError(Exception):
    """A column has no buckets. The message says why."""


def make_profile(
    columns: Mapping[str, Sequence[Any] | Array],
    predictions: Mapping[str, Sequence[Any] | Array],
    *,
    is_by_position: bool,
) -> Profile:
    """Make a profile of columns of equal length, which hold plain values or are arrays.

    A column without useful buckets is left out, and so are those beyond MAX_COLUMNS.
    """
    kept, left_out = _columns(columns)
    outputs, outputs_left_out = _columns(predictions)
    return Profile(
        rows=len(next(iter(columns.values()))),
        width=len(columns),
        is_by_position=is_by_position,
        columns=kept,
        predictions=outputs,
        left_out=(*left_out, *outputs_left_out)[:MAX_COLUMNS],
    )


def _columns(
    given: Mapping[str, Sequence[Any] | Array],
) -> tuple[tuple[ProfiledColumn, ...], list[LeftOut]]:
    kept: list[ProfiledColumn] = []
    left_out = []
    for position, (name, values) in enumerate(given.items()):
        try:
            if len(kept) == MAX_COLUMNS:
                raise NoBucketsError(f"a profile has {MAX_COLUMNS} columns at most")
            kept.append(make_column(name, values, position))
        except NoBucketsError as reason:
            left_out.append(LeftOut(name=name, reason=str(reason)))
    return tuple(kept), left_out


def make_column(name: str, values: Sequence[Any] | Array, position: int = 0) -> ProfiledColumn:
    """Choose the buckets of one column and count its values into them.

    Numbers are divided at their quantiles. Texts, booleans and at most MAX_CATEGORIES different whole
    numbers are categories. Raises NoBucketsError for values of another type, and for texts that
    hardly ever occur twice, such as names.
    """
    column = _Column(name, position)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return _of_numbers(column, values.astype(np.float64))
    plain = _plain(values)
    known = [value for value in plain if not is_missing(value)]
    kinds = set(map(type, known))
    if kinds == {bool}:
        return _category(column, plain, [False, True])
    if kinds == {str}:
        return _of_texts(column, plain, known)
    if kinds <= {int, float, bool}:
        return _of_numbers(column, _floats(plain))
    types = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise NoBucketsError(f"values of {types} have no buckets")


def _plain(values: Sequence[Any] | Array) -> list[Any]:
    """Return values as Python has them. Raises NoBucketsError for dates and times."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "mM":
            raise NoBucketsError("dates and times have no buckets: they always move")
        values = values.tolist()
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _floats(plain: list[Any]) -> Array:
    try:
        return np.array([np.nan if is_missing(v) else float(v) for v in plain], dtype=np.float64)
    except OverflowError:
        raise NoBucketsError("some numbers are too large") from None


def _of_numbers(column: _Column, numbers: Array) -> ProfiledColumn:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        raise NoBucketsError("every value is missing")
    codes = _codes(known)
    if codes is not None:
        return _category(column, numbers, codes)
    return _numeric(column, numbers, np.sort(known))


def _codes(known: Array) -> list[int] | None:
    """Few different whole numbers are codes, such as classes. None for other numbers."""
    distinct, counts = np.unique(known, return_counts=True)
    if len(distinct) > MAX_CATEGORIES or not (np.isfinite(distinct) & (distinct % 1 == 0)).all():
        return None
    common = counts >= _least(len(known))
    if counts[common].sum() < _COVERED * len(known):
        return None
    return [int(value) for value in distinct[common]]


def _of_texts(column: _Column, plain: Sequence[Any], known: list[str]) -> CategoryColumn:
    counted = Counter(known)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MAX_CATEGORIES]
    common = [value for value, count in ranked if count >= _least(len(known))]
    if sum(counted[value] for value in common) < _COVERED * len(known):
        raise NoBucketsError("hardly any value occurs often: these are names or texts")
    return _category(column, plain, common)


def _least(rows: int) -> float:
    """Rows that a category needs. A rare one would be mostly chance, and could name a person."""
    return max(5, _MIN_SHARE * rows)


def _category(
    column: _Column, values: Sequence[Any] | Array, common: Sequence[Value]
) -> CategoryColumn:
    empty = CategoryColumn(**column._asdict(), values=tuple(common), counts=(0,) * len(common))
    return _filled(empty, values)


def _numeric(column: _Column, numbers: Array, known: Array) -> NumericColumn:
    cuts = _cuts(known, max(2, min(BINS, len(known) // ROWS_PER_BIN)))
    empty = NumericColumn(**column._asdict(), cuts=cuts, counts=(0,) * (len(cuts) + 1))
    return _filled(empty, numbers)


def _filled(empty: C, values: Sequence[Any] | Array) -> C:
    """Return a column with its values counted."""
    *counts, nulls, other = map(int, counter_of(empty)(values))
    return msgspec.structs.replace(empty, counts=tuple(counts), nulls=nulls, other=other)


def _cuts(numbers: Array, bins: int) -> tuple[float, ...]:
    """Return the cuts between buckets of about equal size, for sorted numbers.

    Each lies between two neighbouring values and not on one, so that rounding to 32 bits on the way
    to the model moves no value into another bucket. Equal values stay together; a bucket that becomes
    too small by that is merged with the one below it.
    """
    size = len(numbers)
    least = max(5, size // (3 * bins))
    cuts: list[float] = []
    last = 0
    for quantile in range(1, bins):
        at = int(np.searchsorted(numbers, numbers[size * quantile // bins], "left"))
        if at - last < least or size - at < least:
            continue
        low, high = float(numbers[at - 1]), float(numbers[at])
        cut = _between(low, high) if np.isfinite([low, high]).all() else low
        if np.isfinite(cut) and low < cut <= high and (not cuts or cut > cuts[-1]):
            cuts.append(cut)
            last = at
    return tuple(cuts)


def _between(low: float, high: float) -> float:
    """Return a number of few digits in the middle half between two."""
    middle = low / 2 + high / 2
    quarter = (high / 2 - low / 2) / 2
    for digits in range(1, 17):
        short = float(f"{middle:.{digits}g}")
        if abs(short - middle) <= quarter and low < short < high:
            return short
    return high


def is_missing(value: Any) -> bool:
    """Whether a value is null or NaN, of any type that pandas and numpy have for it."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA, or an array
        return type(value).__name__ == "NAType"


class NumericCounter:
    """Counts numbers into the buckets of one column: rows per bucket, nulls, others."""

    def __init__(self, column: NumericColumn) -> None:
        self._cuts = np.array(column.cuts, dtype=np.float64)
        self._size = len(column.cuts) + 3

    def __call__(self, values: Sequence[Any] | Array) -> Counts:
        """Return the rows of each bucket, in the order of the column's labels."""
        try:
            numbers = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return self._one_by_one(values)
        return self.of_numbers(numbers)

    def of_numbers(self, numbers: Array) -> Counts:
        """Return the rows of each bucket for an array of numbers, in which NaN is missing."""
        at = self._cuts.searchsorted(numbers, "right")
        at[np.isnan(numbers)] = self._size - 2
        return np.bincount(at, minlength=self._size)

    def _one_by_one(self, values: Sequence[Any] | Array) -> Counts:
        """Count values among which are others than numbers."""
        numbers, others = [], 0
        for value in values:
            try:
                numbers.append(np.nan if is_missing(value) else float(value))
            except (TypeError, ValueError, OverflowError):
                others += 1
        counts = self.of_numbers(np.array(numbers, dtype=np.float64))
        counts[-1] = others
        return counts


class CategoryCounter:
    """Counts values into the buckets of one column: rows per value, nulls, others."""

    def __init__(self, column: CategoryColumn) -> None:
        self._size = len(column.values) + 2
        # True equals 1, and a text equals no number.
        self._at = {value: at for at, value in enumerate(column.values)}

    def __call__(self, values: Sequence[Any] | Array) -> Counts:
        """Return the rows of each bucket, in the order of the column's labels."""
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        counts = np.zeros(self._size, dtype=np.int64)
        try:
            counted: Any = Counter(plain).items()
        except TypeError:  # a value that has no hash
            counted = ((value, 1) for value in plain)
        for value, count in counted:
            counts[self._place(value)] += count
        return counts

    def _place(self, value: Any) -> int:
        try:
            found = self._at.get(value)
        except TypeError:
            return self._size - 1
        if found is not None:
            return found
        return self._size - 2 if is_missing(value) else self._size - 1


def counter_of(column: ProfiledColumn) -> NumericCounter | CategoryCounter:
    """Return what counts values into the buckets of a column."""
    return NumericCounter(column) if isinstance(column, NumericColumn) else CategoryCounter(column)
