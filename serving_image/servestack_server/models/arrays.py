"""Rows as the array that a framework gets from MLflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servestack_contract.settings import Column, Input
from servestack_server.models.columns import taken
from servestack_server.models.model import Array, Rows

DTYPES: dict[str, str] = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
}
"""The dtype to which MLflow's schema converts a column before the model sees it. Other types stay
objects."""


def rows_to_array(rows: Rows, dtype: np.dtype[Any] | type[np.generic] = np.float64) -> Array:
    """Return rows as an array of shape (rows, columns). None becomes NaN if the type is a float."""
    return np.asarray(rows, dtype=dtype)


def build_array_maker(given: Input, positions: list[int] | None = None) -> Callable[[Rows], Array]:
    """Return the function from rows to an array of shape (rows, columns).

    `positions` are the columns to take, in order; None for all. The array has the type that pandas
    finds for columns of MLflow's types: a number of a `float` column is rounded to float32, also
    where it stands beside doubles, and integers stay integers where there is nothing else. None
    becomes NaN. A tensor keeps its type; rows that no schema describes become float64.
    """
    columns = taken(given.columns, positions)
    if columns is None:
        return _all if positions is None else lambda rows: _all(rows)[:, positions]
    dtypes = [column_dtype(column) for column in columns]
    dtype = common_dtype(dtypes)
    rounded = [at for at, own in enumerate(dtypes) if own == np.float32 != dtype]

    def make(rows: Rows) -> Array:
        array = rows_to_array(rows, dtype)
        if positions is not None:
            array = array[:, positions]
        for at in rounded:
            array[:, at] = array[:, at].astype(np.float32)
        return array

    return make


def whole_as_double(make: Callable[[Rows], Array]) -> Callable[[Rows], Array]:
    """Return `make` with integers as float64: LightGBM takes those of a DataFrame so, as MLflow hands
    it over, but those of an array as float32."""

    def maker(rows: Rows) -> Array:
        array = make(rows)
        return array.astype(np.float64) if array.dtype.kind in "iub" else array

    return maker


def column_dtype(column: Column) -> np.dtype[Any]:
    """Return the dtype of a column of numbers; float64 for one that has to hold NaN."""
    dtype = np.dtype(DTYPES[column.type])
    return np.dtype(np.float64) if dtype.kind in "bi" and column.may_be_null else dtype


def common_dtype(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the dtype of an array made of such columns. Truths beside numbers become float64."""
    kinds = {dtype.kind for dtype in dtypes}
    return np.dtype(np.float64) if "b" in kinds != {"b"} else np.result_type(*dtypes)


def _all(rows: Rows) -> Array:
    if isinstance(rows, np.ndarray):
        return rows
    is_text = len(rows) > 0 and isinstance(rows[0], str)
    return np.array(rows) if is_text else rows_to_array(rows)
