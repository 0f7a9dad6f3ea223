"""Values that hold other values, in the form that MLflow's own check of a DataFrame takes.

MLflow checks a frame against the signature again. It converts neither a float to its `float` (32
bits) nor an integer to its `integer`, and turns null in an array into text or false. Source:
`_enforce_type` in mlflow/models/utils.py of MLflow 3.17.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from servestack_contract.settings import NESTED_TYPES, Column, Element
from servestack_server.errors import StartError

_SCALARS: dict[str, Callable[[Any], Any]] = {"integer": np.int32, "float": np.float32}
_DTYPES = {"integer": "int32", "float": "float32", "datetime": "datetime64[ns]"}
"""Arrays of these become arrays of numpy, all others stay lists."""


def for_mlflow_of(column: Column) -> Callable[[Any], Any]:
    """Return the function that converts a column's values.

    What it returns is new, so that the model cannot change what is logged. Raises StartError for an
    array whose nulls MLflow would change.
    """
    return _maker(column, column.name)


def _maker(given: Column | Element, name: str) -> Callable[[Any], Any]:
    make: Callable[[Any], Any] = _itself
    match given.type:
        case "any":
            return copy.deepcopy
        case "array" if given.items is not None:
            make = _array_maker(given.items, name)
        case "map" if given.values is not None:
            of_value = _maker(given.values, f"{name}[]")
            make = lambda values: {key: of_value(value) for key, value in values.items()}  # noqa: E731
        case "object":
            members = {
                member.name: _maker(member, f"{name}.{member.name}")
                for member in given.properties or ()
            }
            make = lambda values: {key: members[key](value) for key, value in values.items()}  # noqa: E731
        case "array" | "map":
            make = copy.deepcopy
        case "datetime":
            make = _moment
        case kind if kind in _SCALARS:
            make = _SCALARS[kind]
    return lambda value: None if value is None else make(value)


def _array_maker(items: Element, name: str) -> Callable[[Any], Any]:
    if items.type in NESTED_TYPES:
        of_item = _maker(items, f"{name}[]")
        return lambda values: [of_item(value) for value in values]
    if items.nullable:
        if items.type not in ("float", "double"):
            raise StartError(
                f"column {name!r}: MLflow cannot hold null in an array of {items.type}",
                "leave out nullable, or declare its items as any",
            )
        if items.type == "float":
            return lambda values: np.array(values, dtype=np.float32)  # None becomes NaN.
        nan = float("nan")
        return lambda values: [nan if value is None else value for value in values]
    if items.type == "datetime":
        return lambda values: np.array([_moment(value) for value in values], _DTYPES["datetime"])
    if items.type in _DTYPES:
        return lambda values: np.array(values, dtype=_DTYPES[items.type])
    if items.type in ("string", "binary"):
        return _texts
    return list


def _texts(values: list[str]) -> list[str]:
    # MLflow passes them through numpy, which cuts off what looks like its padding.
    if any(value.endswith("\0") for value in values):
        raise ValueError("MLflow cannot hold a text in an array that ends with a zero character")
    return list(values)


def _moment(text: str) -> np.datetime64:
    read = datetime.fromisoformat(text)
    naive = read if read.tzinfo is None else read.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(naive, "ns")


def _itself(value: Any) -> Any:
    return value
