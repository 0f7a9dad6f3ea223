"""Reads a model's input and params from its MLflow signature.

Source: https://mlflow.org/docs/latest/ml/model/signatures (the JSON form in the MLmodel file), and
`to_dict` of the classes in mlflow/types/schema.py of MLflow 3.17.
"""

from __future__ import annotations

from typing import Any, get_args

from servestack.spec.api import Input, Tensor
from servestack.spec.columns import Column, Element, Param
from servestack_contract.mlmodel import mapping
from servestack_contract.settings import ColumnType, TensorType

_TYPES = get_args(ColumnType)
_DTYPES = get_args(TensorType)


class _UnknownTypeError(Exception):
    """The signature has a type that no column of a spec can have."""


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
    try:
        columns = tuple(
            _column(str(column.get("name", index)), column) for index, column in enumerate(inputs)
        )
    except _UnknownTypeError:
        return Input()
    if len(columns) == 1 and "name" not in inputs[0]:
        columns = (columns[0].model_copy(update={"name": ""}),)
    return Input.model_construct(columns=columns) if columns else Input()


def params_of(signature: dict[str, Any] | None) -> tuple[Param, ...]:
    """Return a signature's params. Those of a type that cannot be checked are left out."""
    params = []
    for written in (signature or {}).get("params") or []:
        try:
            params.append(_param(written))
        except _UnknownTypeError:
            continue
    return tuple(params)


def _param(written: dict[str, Any]) -> Param:
    """MLflow takes null for a single value and for elements, but neither for a list nor an object."""
    described = written | {"type": written.get("type") or written.get("dtype")}
    constraints = _constraints(described)
    if written.get("shape") is not None:
        items = Element.model_construct(**constraints | {"nullable": True})
        constraints = {"type": "array", "items": items}
    elif constraints["type"] != "object":
        constraints["nullable"] = True
    return Param.model_construct(
        name=str(written["name"]), default=written.get("default"), **constraints
    )


def _column(name: str, written: Any) -> Column:
    required = bool(mapping(written).get("required", True))
    return Column.model_construct(name=name, required=required, **_constraints(written))


def _constraints(written: Any) -> dict[str, Any]:
    """Return the type, and what is inside. Null is taken for a list or a map of anything."""
    kind = mapping(written).get("type")
    match kind:
        case "array" | "map":
            inside = "items" if kind == "array" else "values"
            element = Element.model_construct(**_constraints(written.get(inside)))
            nullable = {"nullable": True} if element.type == "any" else {}
            return {"type": kind, inside: element} | nullable
        case "object":
            members = mapping(written.get("properties")).items()
            return {"type": kind, "properties": tuple(_column(*member) for member in members)}
        case "any":
            return {"type": kind, "nullable": True}
        case kind if kind in _TYPES:
            return {"type": kind}
    raise _UnknownTypeError
