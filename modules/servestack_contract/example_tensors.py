"""Whether an example fits tensors: its depth, its element types and its shape. Without numpy."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import msgspec

from servestack_contract.settings import Tensor
from servestack_contract.wrong_values import in_words, listed

_TYPES: dict[str, type] = {"bool": bool, "str": str}
_LARGEST_FLOAT = {"float16": 65520.0, "float32": 3.4028235677973366e38}
"""The first number that rounds to infinity. Source: IEEE 754-2019, 4.3.1."""


class ExampleError(Exception):
    """The example does not fit. The message says where and why."""


FORMS = ("data", "instances", "inputs", "dataframe_records", "dataframe_split")
"""Keys of a body under which its rows stand."""
SPLIT_KEYS = {"columns", "data", "index"}
"""Keys of `dataframe_split`."""


def check_tensors(example: Any, tensors: Sequence[Tensor]) -> None:
    """Check an example of one tensor or several. Raises ExampleError."""
    rows = _rows_of(example, tensors)
    if len(tensors) == 1:
        _check_one(rows, tensors[0])
        return
    if not rows:
        raise ExampleError("there are no rows")
    names = [str(tensor.name) for tensor in tensors]
    records = [_named(row, names, index) for index, row in enumerate(rows)]
    for name, tensor in zip(names, tensors, strict=True):
        try:
            _check_cells([record[name] for record in records], tensor)
        except ExampleError as error:
            raise ExampleError(f"tensor {name!r}: {error}") from None


def split_rows(value: Any) -> list[Any]:
    """Return the rows of a `dataframe_split`. Raises ExampleError if it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise ExampleError("dataframe_split: expected an object with columns and data")
    if unknown := sorted(value.keys() - SPLIT_KEYS):
        raise ExampleError(f"dataframe_split.{unknown[0]}: expected only columns, data and index")
    rows: list[Any] = value["data"]
    index = value.get("index")
    if isinstance(index, list) and len(index) != len(rows):
        raise ExampleError(f"dataframe_split.index: expected {len(rows)} values, one for each row")
    return rows


def by_column_names(names: Any, rows: list[Any]) -> list[Any]:
    """Turn the rows of a `dataframe_split` into mappings. Raises ExampleError."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ExampleError("dataframe_split.columns: expected a list of names")
    if len(set(names)) != len(names):
        raise ExampleError("dataframe_split.columns: a column is named twice")
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise ExampleError(f"row {index}: expected {len(names)} values")
    return [dict(zip(names, row, strict=True)) for row in rows]


def transposed(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Turn a list of values for each name into mappings. Raises ExampleError."""
    if len({len(values) for values in columns.values()}) > 1:
        raise ExampleError("the columns differ in length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def the_form(example: dict[str, Any]) -> str:
    """Return the key of the form in which an example is. Raises ExampleError if it is none."""
    forms = [key for key in FORMS if key in example]
    if not forms:
        raise ExampleError(f"expected rows, or one of {', '.join(FORMS)}")
    if len(forms) > 1:
        raise ExampleError(f"give only one of {forms[0]} and {forms[1]}")
    if example.get("params"):
        raise ExampleError("an example holds no params")
    return forms[0]


def _rows_of(example: Any, tensors: Sequence[Tensor]) -> list[Any]:
    """Return the rows in an example of any form, unchecked."""
    if isinstance(example, list):
        return _in_list(example, tensors)
    if not isinstance(example, dict):
        raise ExampleError("expected a list of rows, or an object that holds one")
    names = [tensor.name for tensor in tensors if tensor.name]
    is_named = bool(names) and example.keys() == set(names)
    has_form = any(key in example for key in FORMS)
    if is_named and (not has_form or len(tensors) > 1):
        return _records(example, tensors)
    form = the_form(example)
    value = example[form]
    if form == "dataframe_split":
        rows = split_rows(value)
        given = value.get("columns")
        if len(tensors) == 1:
            return by_column_names(names, rows) if names and given == names else rows
        return rows if given in (None, names) else by_column_names(given, rows)
    if isinstance(value, dict):
        return _records(value, tensors)
    if not isinstance(value, list):
        raise ExampleError(f"{form}: expected a list of rows")
    if form == "dataframe_records" and all(isinstance(row, dict) for row in value):
        return value
    return _in_list(value, tensors)


def _in_list(rows: list[Any], tensors: Sequence[Tensor]) -> list[Any]:
    """Wrap a single row of plain values into a list of one row."""
    axes = tensors[0].shape if len(tensors) == 1 else (-1, -1)
    flat = bool(rows) and not any(isinstance(row, list | dict) for row in rows)
    if flat and axes[1:] == (1,):
        return [[value] for value in rows]
    return [rows] if flat and len(axes) > 1 else rows


def _records(value: dict[str, Any], tensors: Sequence[Tensor]) -> list[Any]:
    """Return the rows of a mapping by name: the only row, or a list of values for each name."""
    axes = {tensor.name: len(tensor.shape) for tensor in tensors if tensor.name}
    is_row = any(name in axes and depth(cell) < axes[name] for name, cell in value.items())
    columnar = bool(value) and all(isinstance(values, list) for values in value.values())
    return transposed(value) if columnar and not is_row else [value]


def _check_one(rows: list[Any], tensor: Tensor) -> None:
    if rows and isinstance(rows[0], dict):
        if all(isinstance(row, dict) and row.keys() == {tensor.name} for row in rows):
            _check_cells([row[tensor.name] for row in rows], tensor)
            return
        if len(tensor.shape) == 2:
            if any(not isinstance(row, dict) or row.keys() != rows[0].keys() for row in rows):
                raise ExampleError(f"expected the columns {listed(list(rows[0]))}")
            rows = [[row[name] for name in rows[0]] for row in rows]
    _check(rows, tensor)


def _named(row: Any, names: list[str], index: int) -> dict[str, Any]:
    if isinstance(row, dict):
        if row.keys() != set(names):
            raise ExampleError(f"row {index}: the tensors are {listed(names)}")
        return row
    if not isinstance(row, list) or len(row) != len(names):
        raise ExampleError(f"row {index}: expected {len(names)} values, one for each tensor")
    return dict(zip(names, row, strict=True))


def _check_cells(cells: list[Any], tensor: Tensor) -> None:
    """Check one cell for each row, nested or flat as MLflow writes them."""
    inner = tensor.shape[1:]
    is_flat_form = -1 not in inner and (len(inner) > 1 or inner == (1,))
    flat = (-1,) if inner == (1,) else (-1, prod(inner))
    if is_flat_form and depth(cells) == len(flat):
        _check(cells, Tensor(tensor.dtype, flat))
    else:
        _check(cells, tensor)


def _check(rows: list[Any], tensor: Tensor) -> None:
    dtype = tensor.dtype
    is_whole = dtype.startswith(("int", "uint"))
    kind: Any = _TYPES.get(dtype, int if is_whole else float)
    for _ in tensor.shape:
        kind = list[kind]
    try:
        typed = msgspec.convert(with_whole_numbers(rows) if is_whole else rows, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ExampleError(in_words(str(error), None)[1]) from None
    if not typed:
        raise ExampleError("there are no rows")
    shape = _shape(typed, len(tensor.shape))
    if shape is None:
        raise ExampleError("the lists of an axis differ in length")
    if len(shape) != len(tensor.shape) or any(
        size not in (-1, given) for size, given in zip(tensor.shape[1:], shape[1:], strict=True)
    ):
        raise ExampleError(f"expected an array of shape {list(tensor.shape)}, got {shape}")
    if not all(_holds(dtype, value) for value in _leaves(typed, len(shape))):
        raise ExampleError(f"a number is out of the range of {dtype}")


def _shape(rows: list[Any], axes: int) -> list[int] | None:
    """Return the length of each axis; None if lists of one axis differ in length.

    As in numpy an axis without entries is the last one.
    """
    shape: list[int] = []
    level = [rows]
    for axis in range(axes):
        lengths = {len(part) for part in level}
        if len(lengths) > 1:
            return None
        shape.append(lengths.pop())
        if not shape[-1]:
            break
        if axis < axes - 1:
            level = [inner for part in level for inner in part]
    return shape


def _leaves(rows: list[Any], axes: int) -> list[Any]:
    for _ in range(axes - 1):
        rows = [value for part in rows for value in part]
    return rows


def _holds(dtype: str, value: Any) -> bool:
    if dtype.startswith(("int", "uint")):
        bits = int(dtype.lstrip("uint"))
        low, high = (0, 2**bits) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        return bool(low <= value < high)
    largest = _LARGEST_FLOAT.get(dtype)
    return largest is None or abs(value) < largest or abs(value) == float("inf")


def depth(value: Any) -> int:
    """Return how many lists are around the first value."""
    count = 0
    while isinstance(value, list):
        count += 1
        value = value[0] if value else None
    return count


def with_whole_numbers(value: Any) -> Any:
    """Return nested lists in which 40.0 is a whole number, as for JSON Schema."""
    if isinstance(value, list):
        return [with_whole_numbers(item) for item in value]
    return int(value) if type(value) is float and value.is_integer() else value
