"""The steps of a plan: each takes the array of the step before it.

A step is a frozen dataclass of arrays, numbers, texts and further steps, so that `stored.py` can
write it to a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from servestack_server.models.model import Array

Values = Array | list[Array]
"""An array of shape (rows, features); or one array for each column, where they differ in type."""


class Step(Protocol):
    """A step. `__call__` may change the array that it gets."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __call__(self, values: Any, /) -> Any: ...


@dataclass(frozen=True)
class Refuse:
    """Convert to `dtype` ("" for the nearest float type) and refuse what the estimator refuses.

    Source: scikit-learn's `check_array` with `dtype` and `ensure_all_finite`. Raises ValueError.
    """

    dtype: str
    nan: bool
    infinity: bool

    def __call__(self, values: Array) -> Array:
        if self.dtype:
            with np.errstate(over="ignore"):  # 1e39 in float32 is infinite, and refused as that
                values = values.astype(self.dtype, copy=False)
        is_checked = (self.nan or self.infinity) and values.dtype.kind == "f"
        if is_checked and not np.isfinite(values).all():
            if self.nan and np.isnan(values).any():
                raise ValueError("Input contains NaN")
            if self.infinity and np.isinf(values).any():
                raise ValueError(f"Input contains infinity or a value too large for {values.dtype}")
        return values


@dataclass(frozen=True)
class Floats:
    """A copy in float32 or float64: float64 unless it is float32 already.

    Source: scikit-learn's `check_array(dtype=FLOAT_DTYPES, copy=True)`.
    """

    def __call__(self, values: Array) -> Array:
        return np.array(values, dtype=np.float32 if values.dtype == np.float32 else np.float64)


_OPERATIONS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}


@dataclass(frozen=True)
class Arithmetic:
    """An operation with one number a feature, in place. `cast`: that number in the array's type."""

    operation: str
    numbers: Array
    cast: bool = False

    def __call__(self, values: Array) -> Array:
        numbers = self.numbers.astype(values.dtype) if self.cast else self.numbers
        _OPERATIONS[self.operation](values, numbers, out=values, casting="same_kind")
        return values


@dataclass(frozen=True)
class Clip:
    """Keep within bounds, in place."""

    low: float
    high: float

    def __call__(self, values: Array) -> Array:
        low, high = values.dtype.type(self.low), values.dtype.type(self.high)
        return np.clip(values, low, high, out=values)


@dataclass(frozen=True)
class Impute:
    """Replace NaN by one number a feature, in place. Source: `SimpleImputer.transform`."""

    numbers: Array

    def __call__(self, values: Array) -> Array:
        missing = np.isnan(values)
        if missing.any():
            values[missing] = np.broadcast_to(self.numbers, values.shape)[missing]
        return values


@dataclass(frozen=True)
class Branches:
    """Steps on some of the features each; their results stand side by side.

    Source: `ColumnTransformer.transform`. `positions` and `steps` have one entry a branch.
    """

    positions: list[list[int]]
    steps: list[list[Step]]

    def __call__(self, values: Values) -> Array:
        results = []
        for positions, steps in zip(self.positions, self.steps, strict=True):
            part: Any = taken(values, positions)
            for step in steps:
                part = step(part)
            results.append(part)
        return np.hstack(results)


def width_after(steps: Sequence[Step], width: int) -> int:
    """Return how many features these steps make of `width`."""
    for step in steps:
        if isinstance(step, Branches):
            parts = zip(step.steps, step.positions, strict=True)
            width = sum(width_after(inner, len(positions)) for inner, positions in parts)
        else:  # a step that changes the number says so
            width = getattr(step, "width", 0) or width
    return width


@dataclass(frozen=True)
class Stack:
    """Columns to one array, of the type that they have in common."""

    dtype: str

    def __call__(self, values: list[Array]) -> Array:
        return np.column_stack(values).astype(self.dtype, copy=False)


def taken(values: Values, positions: Sequence[int]) -> Values:
    """Return some of the features, in this order."""
    if isinstance(values, list):
        return [values[at] for at in positions]
    return values[:, list(positions)]


@dataclass(frozen=True)
class Encode:
    """Categories as numbers or as columns of 0 and 1. One entry of each list a feature.

    Source: `OneHotEncoder.transform` and `OrdinalEncoder.transform`. `categories` are those of
    training; `places` the column of the result where a category has its 1, negative for none, and
    for ordinal numbers those numbers. `width` is the number of columns, 0 for ordinal numbers.
    `unknown` stands for a category that training did not have; None refuses it. Raises ValueError.
    """

    categories: list[list[Any]]
    places: list[list[float]]
    width: int
    unknown: float | None
    dtype: str

    def __call__(self, values: Values) -> Array:
        columns = values if isinstance(values, list) else list(values.T)
        codes = [
            self._codes(at, column, places)
            for at, (column, places) in enumerate(zip(columns, self._places, strict=True))
        ]
        if not self.width:
            return np.array(codes, dtype=self.dtype).T
        encoded = np.zeros((len(columns[0]), self.width), dtype=self.dtype)
        for found in codes:
            for row, place in enumerate(found):
                if place >= 0:
                    encoded[row, int(place)] = 1
        return encoded

    @cached_property
    def _places(self) -> list[dict[Any, float]]:
        pairs = zip(self.categories, self.places, strict=True)
        return [dict(zip(categories, places, strict=True)) for categories, places in pairs]

    def _codes(self, at: int, column: Array, places: dict[Any, float]) -> list[float]:
        if column.dtype.kind == "f" and np.isinf(column).any():
            raise ValueError("Input contains infinity")
        found = []
        for value in column.tolist():
            place = places.get(value, self.unknown)
            if place is None:
                raise ValueError(f"Found unknown categories [{value!r}] in column {at}")
            found.append(place)
        return found
