"""Reads a model's input from its MLflow signature.

Source: https://mlflow.org/docs/latest/ml/model/signatures (the JSON form in the MLmodel file).
"""

from __future__ import annotations

from typing import Any, get_args

from servestack.spec.api import Column, Input, Tensor
from servestack_contract.settings import ColumnType, TensorType

_TYPES = get_args(ColumnType)
_DTYPES = get_args(TensorType)


def input_of(signature: dict[str, Any] | None) -> Input:
    """Return a signature's columns or tensor, or an empty Input if it cannot be checked."""
    inputs = (signature or {}).get("inputs") or []
    if len(inputs) == 1 and inputs[0].get("type") == "tensor":
        tensor = inputs[0]["tensor-spec"]
        if tensor["dtype"] in _DTYPES:
            shape = tuple(tensor["shape"])
            return Input.model_construct(
                tensor=Tensor.model_construct(dtype=tensor["dtype"], shape=shape)
            )
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
