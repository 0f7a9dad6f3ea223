"""Steps as a JSON value and arrays, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from servestack_server.models.compiled import (
    answers,
    features,
    scores,
    steps,
    together,
    trees,
    xgboost_steps,
)
from servestack_server.models.compiled.steps import Step
from servestack_server.models.model import Array

_CLASSES = {
    name: found
    for module in (steps, features, scores, trees, together, answers, xgboost_steps)
    for name, found in vars(module).items()
    if dataclasses.is_dataclass(found) and callable(found)
}


def dump(plan: list[Step]) -> tuple[list[Any], dict[str, Array]]:
    """Return the steps as JSON, and the arrays that it names."""
    arrays: dict[str, Array] = {}
    return [_dump(step, arrays) for step in plan], arrays


def read(description: list[Any], arrays: Mapping[str, Array]) -> list[Step]:
    """Return the steps that `dump` has described. Raises KeyError or TypeError for anything else."""
    return [_read(item, arrays) for item in description]


def _dump(value: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray):
        # Neither JSON nor an array without pickle holds objects; a list of texts becomes one again.
        if value.dtype == object:
            return {"objects": value.tolist()}
        name = str(len(arrays))
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value):
        fields = {
            field.name: _dump(getattr(value, field.name), arrays)
            for field in dataclasses.fields(value)
        }
        return {"step": type(value).__name__, "fields": fields}
    if isinstance(value, list):
        return [_dump(item, arrays) for item in value]
    return value


def _read(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_read(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "objects" in value:
        return np.array(value["objects"], dtype=object)
    fields = {name: _read(item, arrays) for name, item in value["fields"].items()}
    return _CLASSES[value["step"]](**fields)
