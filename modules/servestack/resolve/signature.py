"""Reads a model's input from its MLflow signature.

Source: https://mlflow.org/docs/latest/ml/model/signatures (the JSON form in the MLmodel file).
"""

from __future__ import annotations

from typing import Any, get_args

from servestack.spec.api import Column, Input, NamedTensor, Tensor
from servestack_contract.settings import ColumnType, TensorType

_TYPES = get_args(ColumnType)
_DTYPES = get_args(TensorType)


def input_of(signature: dict[str, Any] | None) -> Input:
    """Return a signature's columns or tensors, or an empty Input if it cannot be checked."""
    inputs = (signature or {}).get("inputs") or []
    if inputs and all(map(_is_known_tensor, inputs)):
        if len(inputs) == 1:
            return Input.model_construct(tensor=Tensor.model_construct(**_fields(inputs[0])))
        if all(given.get("name") for given in inputs):
            named = tuple(NamedTensor.model_construct(**_fields(given)) for given in inputs)
            return Input.model_construct(tensors=named)
    if not inputs or any(column.get("type") not in _TYPES for column in inputs):
        return Input()
    return Input.model_construct(
        columns=tuple(
            Column.model_construct(
                name=str(column.get("name", index)),
                type=column["type"],
                required=bool(column.get("required", True)),
            )
            for index, column in enumerate(inputs)
        )
    )


def _is_known_tensor(given: dict[str, Any]) -> bool:
    """Whether an input is a tensor of a known type. One without an axis has no rows."""
    if given.get("type") != "tensor":
        return False
    spec = given["tensor-spec"]
    return spec["dtype"] in _DTYPES and bool(spec["shape"])


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    spec = given["tensor-spec"]
    name = str(given["name"]) if given.get("name") else None
    return {"name": name, "dtype": spec["dtype"], "shape": tuple(spec["shape"])}
