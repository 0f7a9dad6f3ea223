"""Example bodies that a reader can send unchanged."""

from __future__ import annotations

import math
from typing import Any

from servestack_contract.settings import Column, Tensor
from servestack_server.input.bodies import normalised
from servestack_server.input.tensor_schema import TensorsSchema

_PLAIN_VALUES: dict[str, Any] = {
    "boolean": True,
    "string": "text",
    "binary": "AA==",
    "datetime": "2024-01-01T00:00:00Z",
}


def body_examples(
    example: Any, columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...]
) -> dict[str, dict[str, Any]]:
    """Return named examples of a body, as OpenAPI lists them. The first is `example` itself.

    If `example` is None, values that the input accepts are made up.
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
    elif columns and rows:
        names = [column.name for column in columns]
        named["records"] = [dict(zip(names, row, strict=False)) for row in rows]
        named["dataframe_split"] = {"dataframe_split": {"columns": names, "data": rows}}
    elif rows:
        named["instances"] = {"instances": rows}
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
    if not columns:
        return []
    split = given.get("dataframe_split")
    if split is not None:
        records = [dict(zip(split["columns"], row, strict=False)) for row in split["data"]]
    elif all(isinstance(values, list) for values in given.values()):
        records = [
            dict(zip(given, row, strict=False)) for row in zip(*given.values(), strict=False)
        ]
    else:
        records = [given]
    return _rows(records, columns)


def _made_up(columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...]) -> Any:
    if columns:
        return [[_value(column) for column in columns]]
    if len(tensors) > 1:
        return [{str(tensor.name): _zeros(tensor.dtype, tensor.shape[1:]) for tensor in tensors}]
    return _zeros(tensors[0].dtype, (-1, *tensors[0].shape[1:])) if tensors else None


def _value(column: Column) -> Any:
    """Return a value inside the column's range. Which values are usual is not known."""
    if column.enum:
        return column.enum[0]
    if column.type in _PLAIN_VALUES:
        return _PLAIN_VALUES[column.type]
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    value = min(max(0.0, low), high)
    if column.type in ("integer", "long"):
        return math.ceil(value) if math.ceil(value) <= high else math.floor(value)
    return value


def _zeros(dtype: str, shape: tuple[int, ...]) -> Any:
    if not shape:
        if dtype.startswith("bool"):
            return False
        return "" if dtype.startswith(("str", "object")) else 0
    return [_zeros(dtype, shape[1:]) for _ in range(1 if shape[0] < 0 else shape[0])]
