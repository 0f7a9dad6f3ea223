"""Values that hold other values, in the form that MLflow's own checks take.

MLflow checks a DataFrame against the signature again. It converts neither a float to its `float` (32
bits) nor an integer to its `integer`, and turns null in an array into text or false. Source:
`_enforce_type` in mlflow/models/utils.py of MLflow 3.17. A list for a type hint it checks against
the hint, pydantic strictly. Source: `_validate_data_against_type_hint` in mlflow/types/type_hints.py.

All functions return new values, so that a model cannot change what is logged.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from servestack_contract.moments import moment
from servestack_contract.settings import NESTED_TYPES, Column, Element
from servestack_contract.values import from_base64
from servestack_server.errors import StartError
from servestack_server.models.moments import nanoseconds

Convert = Callable[[Any], Any]
_OF_HINT: dict[str, Convert] = {"datetime": moment, "binary": from_base64}


def for_frame_of(column: Column) -> Convert:
    """Return the function that converts a nested column's values for a DataFrame.

    Raises StartError for an array whose nulls MLflow would change.
    """
    return _maker(column, column.name, _OF_FRAME, _array_of_frame)


def for_hint_of(column: Column) -> Convert:
    """Return the function that converts a nested column's values for a type hint."""
    return _maker(column, column.name, _OF_HINT, None)


def _maker(
    given: Column | Element,
    name: str,
    scalars: dict[str, Convert],
    array_of: Callable[[Element, str], Convert | None] | None,
) -> Convert:
    """Return the function that converts a value. `array_of` makes that for an array of scalars."""

    def inside(part: Column | Element, path: str) -> Convert:
        return _maker(part, name + path, scalars, array_of)

    make: Convert = scalars.get(given.type, _itself)
    if given.type == "array" and given.items is not None:
        made = array_of(given.items, name) if array_of is not None else None
        make = made or _list_of(inside(given.items, "[]"))
    elif given.type == "map" and given.values is not None:
        make = _mapping_of(inside(given.values, "[]"))
    elif given.type == "object" and given.properties is not None:
        make = _object_of({part.name: inside(part, f".{part.name}") for part in given.properties})
    elif given.type in NESTED_TYPES:
        make = copy.deepcopy
    return lambda value: None if value is None else make(value)


def _list_of(convert: Convert) -> Convert:
    return lambda values: [convert(value) for value in values]


def _mapping_of(convert: Convert) -> Convert:
    return lambda values: {key: convert(value) for key, value in values.items()}


def _object_of(members: dict[str, Convert]) -> Convert:
    return lambda values: {key: members[key](value) for key, value in values.items()}


def _array_of_frame(items: Element, name: str) -> Convert | None:
    """Return the function for an array of scalars; None for one of other values."""
    if items.type in NESTED_TYPES:
        return None
    if items.nullable and items.type not in ("float", "double"):
        raise StartError(
            f"column {name!r}: MLflow cannot hold null in an array of {items.type}",
            "leave out nullable, or declare its items as any",
        )
    match items.type:
        case "integer":
            return lambda values: np.array(values, dtype=np.int32)
        case "float":
            return lambda values: np.array(values, dtype=np.float32)  # None becomes NaN.
        case "double":
            return lambda values: [np.nan if value is None else value for value in values]
        case "datetime":
            return lambda values: nanoseconds([moment(value) for value in values])
        case "string" | "binary":
            return _texts
    return list


def _texts(values: list[str]) -> list[str]:
    # MLflow passes them through numpy, which cuts off what looks like its padding.
    if any(value.endswith("\0") for value in values):
        raise ValueError("MLflow cannot hold a text in an array that ends with a zero character")
    return list(values)


def _moment(text: str) -> Any:
    return nanoseconds([moment(text)])[0]


def _itself(value: Any) -> Any:
    return value


_OF_FRAME: dict[str, Convert] = {"integer": np.int32, "float": np.float32, "datetime": _moment}
