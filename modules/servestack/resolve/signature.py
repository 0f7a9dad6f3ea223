"""Reads a model's input and params from its MLflow signature.

Source: https://mlflow.org/docs/latest/ml/model/signatures (the JSON form in the MLmodel file), and
`to_dict` of the classes in mlflow/types/schema.py of MLflow 3.17.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from servestack.spec.api import Input, NamedTensor, Tensor
from servestack.spec.columns import Column, Element, Param
from servestack_contract.mlmodel import mapping
from servestack_contract.settings import ColumnType, TensorType

_TYPES = get_args(ColumnType)
_DTYPES = get_args(TensorType)


class _UnknownTypeError(Exception):
    """The signature has a type that no column of a spec can have."""


def input_of(signature: dict[str, Any] | None) -> Input:
    """Return a signature's columns or tensors, or an empty Input if it cannot be checked."""
    inputs = (signature or {}).get("inputs") or []
    if inputs and all(map(_is_known_tensor, inputs)):
        if len(inputs) == 1:
            return Input.model_construct(tensor=Tensor.model_construct(**_fields(inputs[0])))
        if all(given.get("name") for given in inputs):
            named = tuple(NamedTensor.model_construct(**_fields(given)) for given in inputs)
            return Input.model_construct(tensors=named)
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


def unchecked_types(signature: dict[str, Any] | None) -> tuple[str, ...]:
    """Return the types for which a signature's inputs cannot be checked, sorted; usually none."""
    inputs = (signature or {}).get("inputs") or []
    if not inputs or input_of(signature).is_known:
        return ()
    return tuple(sorted({name for given in inputs for name in _unchecked(given)}))


def _unchecked(given: Any) -> Iterator[str]:
    """Yield the types that a column of a spec cannot have, or why a tensor is none."""
    kind = mapping(given).get("type")
    if kind == "tensor":
        spec = given["tensor-spec"]
        yield f"tensor of {spec['dtype']}" if spec["shape"] else "tensor without an axis"
    elif kind not in _TYPES:
        yield str(kind)
    for inside in ("items", "values"):
        if isinstance(given.get(inside), dict):
            yield from _unchecked(given[inside])
    for member in mapping(given.get("properties")).values():
        yield from _unchecked(member)


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
