"""Example bodies that a reader can send unchanged."""

from __future__ import annotations

import math
from typing import Any

from servestack_contract.settings import Column, Element, Param, Tensor
from servestack_server.input.bodies import normalised
from servestack_server.input.schema import TableSchema
from servestack_server.input.tensor_schema import TensorsSchema

_PLAIN_VALUES: dict[str, Any] = {
    "boolean": True,
    "string": "text",
    "binary": "AA==",
    "datetime": "2024-01-01T00:00:00Z",
    "any": "anything",
}


def body_examples(
    example: Any,
    columns: tuple[Column, ...] | None,
    tensors: tuple[Tensor, ...],
    params: tuple[Param, ...] = (),
) -> dict[str, dict[str, Any]]:
    """Return named examples of a body, as OpenAPI lists them. The first is `example` itself.

    If `example` is None, values that the input accepts are made up. One has the params' defaults.
    """
    if example is None:
        example = _made_up(columns, tensors)
    if example is None:
        return {}
    named = {"example": example}
    rows = _rows(example, columns) if len(tensors) < 2 else _tensor_records(example, tensors)
    if len(tensors) > 1:
        named["instances"] = {"instances": rows}
        by_name = {str(t.name): [row[str(t.name)] for row in rows] for t in tensors}
        named["inputs"] = {"inputs": by_name}
    elif rows and _is_unnamed(columns):
        named["inputs"] = {"inputs": _lone(rows)}
    elif columns and rows:
        names = [column.name for column in columns]
        named["records"] = [dict(zip(names, row, strict=False)) for row in rows]
        named["dataframe_split"] = {"dataframe_split": {"columns": names, "data": rows}}
    elif rows:
        named["instances"] = {"instances": rows}
    if params and rows:
        key = "inputs" if _is_unnamed(columns) else "instances"
        values = {param.name: param.default for param in params}
        given = _lone(rows) if _is_unnamed(columns) else rows
        named["params"] = {key: given, "params": values}
    return {name: {"value": value} for name, value in named.items()}


def example_rows(
    example: Any, columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...]
) -> list[Any]:
    """Return the example's rows, each a list by position, or a mapping if there are several tensors.

    Empty if they cannot be derived.
    """
    made_up = _made_up(columns, tensors) if example is None else example
    return _rows(made_up, columns) if len(tensors) < 2 else _tensor_records(made_up, tensors)


def _tensor_records(example: Any, tensors: tuple[Tensor, ...]) -> list[dict[str, Any]]:
    """Return an example of several tensors, in any form of a body, as a mapping for each row."""
    schema = TensorsSchema(tensors)
    return schema.convert(normalised(example, schema)).tolist()


def _rows(example: Any, columns: tuple[Column, ...] | None) -> list[Any]:
    if isinstance(example, dict):
        return _rows_of_object(example, columns)
    if not isinstance(example, list) or not example:
        return []
    if not columns:
        return example if isinstance(example[0], list) else []
    if _is_unnamed(columns):
        return [[value] for value in example]
    if isinstance(example[0], dict):
        return [[record.get(column.name) for column in columns] for record in example]
    return example if isinstance(example[0], list) else [example]


def _rows_of_object(example: dict[str, Any], columns: tuple[Column, ...] | None) -> list[Any]:
    for name in ("data", "instances", "dataframe_records"):
        if name in example:
            return _rows(example[name], columns)
    given = example.get("inputs", example)
    if not isinstance(given, dict):
        return _rows(given, columns)
    if _is_unnamed(columns):
        return [[given]]
    if not columns:
        return []
    split = given.get("dataframe_split")
    if split is not None:
        records = [dict(zip(split["columns"], row, strict=False)) for row in split["data"]]
    elif TableSchema(columns).is_by_column(given):
        records = [
            dict(zip(given, row, strict=False)) for row in zip(*given.values(), strict=False)
        ]
    else:
        records = [given]
    return _rows(records, columns)


def _made_up(columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...]) -> Any:
    if columns:
        values = [_value(column) for column in columns]
        return values if _is_unnamed(columns) else [values]
    if len(tensors) > 1:
        return [{str(tensor.name): _zeros(tensor.dtype, tensor.shape[1:]) for tensor in tensors}]
    return _zeros(tensors[0].dtype, (-1, *tensors[0].shape[1:])) if tensors else None


def _is_unnamed(columns: tuple[Column, ...] | None) -> bool:
    """Whether the rows are plain values: the only column has no name."""
    return columns is not None and len(columns) == 1 and not columns[0].name


def _lone(rows: list[Any]) -> list[Any]:
    """Return the values of rows by position that have one value each."""
    return [row[0] for row in rows]


def _value(given: Column | Element) -> Any:
    """Return a value inside the column's range. Which values are usual is not known."""
    if given.enum:
        return given.enum[0]
    match given.type:
        case "array":
            return [_value(given.items)] if given.items is not None else []
        case "map":
            return {"key": _value(given.values)} if given.values is not None else {}
        case "object":
            members = given.properties or ()
            return {member.name: _value(member) for member in members if member.required}
        case kind if kind in _PLAIN_VALUES:
            return _PLAIN_VALUES[kind]
    low = -math.inf if given.minimum is None else given.minimum
    high = math.inf if given.maximum is None else given.maximum
    value = min(max(0.0, low), high)
    if given.type in ("integer", "long"):
        return math.ceil(value) if math.ceil(value) <= high else math.floor(value)
    return value


def _zeros(dtype: str, shape: tuple[int, ...]) -> Any:
    if not shape:
        if dtype.startswith("bool"):
            return False
        return "" if dtype.startswith(("str", "object")) else 0
    return [_zeros(dtype, shape[1:]) for _ in range(1 if shape[0] < 0 else shape[0])]
