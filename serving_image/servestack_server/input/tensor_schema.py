"""Inputs that are arrays: one tensor, or several that share their first axis, the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import msgspec
import numpy as np

from servestack_contract.example_tensors import depth, with_whole_numbers
from servestack_contract.settings import Tensor
from servestack_contract.wrong_values import listed
from servestack_server.errors import RequestError, StartError
from servestack_server.input.problems import invalid, wrong_value
from servestack_server.input.records import by_name, by_position
from servestack_server.input.tensor_rows import Array, TensorRows

_ELEMENTS: dict[str, type] = {
    "bool": bool, "str": str, "float16": float, "float32": float, "float64": float,
}  # fmt: skip


class TensorSchema:
    """One array, whose first axis is the row.

    Raises StartError for a dtype that numpy does not know or a shape without an axis.
    """

    columns = None

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        try:
            self.dtype = np.dtype(object if tensor.dtype == "str" else tensor.dtype)
        except TypeError:
            raise StartError(f"the input's dtype {tensor.dtype!r} is not known") from None
        if not tensor.shape:
            raise StartError(
                "the input's shape has no axis", "write -1 as the first axis, which is the batch"
            )
        element: Any = _ELEMENTS.get(tensor.dtype, int)
        for _ in tensor.shape:
            element = list[element]
        self._type = element
        self.names = (tensor.name,) if tensor.name else ()
        self._flat = _flat_schema(tensor)

    def in_words(self) -> str:
        """Return what the model takes, for messages."""
        return f"an array of {self.tensor.dtype} of shape {list(self.tensor.shape)}"

    def decode_fast(self, body: bytes) -> Array | None:
        """Return None: tensors are always read by `convert`."""
        return None

    def convert(self, rows: Any) -> Array:
        """Convert nested lists to an array of the declared shape and dtype.

        Rows may also be mappings: of the tensor's name, or of one name for each value of a row, as
        a DataFrame is written. Raises RequestError (422) for another depth, element type or shape.
        """
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            if all(isinstance(row, dict) and row.keys() == {self.tensor.name} for row in rows):
                return self.convert_cells([row[self.tensor.name] for row in rows])
            rows = by_position(rows) if len(self.tensor.shape) == 2 else rows
        return self._array(rows)

    def _array(self, rows: Any) -> Array:
        try:
            with np.errstate(over="raise"):
                array = np.array(self._typed(rows), dtype=self.dtype)
        except (msgspec.ValidationError, OverflowError, FloatingPointError) as error:
            raise wrong_value(str(error), None) from None
        except ValueError:
            raise invalid("wrong_shape", "the lists of an axis differ in length") from None
        if not len(array):
            raise invalid("no_rows", "there are no rows")
        return self._check_shape(array)

    def _typed(self, rows: Any) -> Any:
        """Check depth and types. 40.0 is a whole number, as for JSON Schema."""
        try:
            return msgspec.convert(rows, self._type)
        except msgspec.ValidationError:
            if self.dtype.kind not in "iu":
                raise
            return msgspec.convert(with_whole_numbers(rows), self._type)

    def is_row(self, record: Mapping[str, Any]) -> bool:
        """Whether a mapping is one row, as in TensorsSchema."""
        return _is_row(record, dict.fromkeys(self.names, self))

    def convert_cells(self, cells: list[Any]) -> Array:
        """Convert the cells of a DataFrame, one for each row: nested, or flat as MLflow writes them.

        Source: mlflow.models.utils, `_reshape_and_cast_pandas_column_values`. Raises RequestError as
        `convert` does.
        """
        if self._flat is not None and depth(cells) == len(self._flat.tensor.shape):
            return self._flat.convert(cells).reshape(-1, *self.tensor.shape[1:])
        return self._array(cells)

    def from_array(self, array: Array) -> Array:
        """Return an array of another dtype in the declared one, with the same values.

        A number may only be rounded, as any decimal is, to the nearest of a float dtype. Raises
        RequestError (422) for another kind of value, for a value that the declared dtype does not
        hold, and for another shape.
        """
        array = self._with_axes(array)
        if object in (array.dtype, self.dtype):  # object: text, or null among the values
            return self.convert(array.tolist())
        return self._check_shape(array if array.dtype == self.dtype else self._cast(array))

    def _with_axes(self, array: Array) -> Array:
        """Add or drop the axis of a single value, or add the first axis of a single row."""
        shape = self.tensor.shape
        if len(shape) == 2 and array.ndim == 1 and array.size and shape[1] in (1, array.size):
            return array.reshape(-1, shape[1])
        if len(shape) == 1 and array.ndim == 2 and array.shape[1] == 1:
            return array.ravel()
        return array

    def _cast(self, array: Array) -> Array:
        given, wanted = array.dtype.kind, self.dtype.kind
        cut = given == "f" and wanted != "f" and not _is_whole(array)
        if cut or "b" in (given, wanted):
            raise invalid("wrong_type", f"expected {self.dtype}, got {array.dtype}")
        if wanted in "iu":
            bounds = np.iinfo(self.dtype.name)
            # In Python's integers: 2**63 is a float64, but 2**63 - 1 is not.
            if array.size and not bounds.min <= int(array.min()) <= int(array.max()) <= bounds.max:
                raise invalid("out_of_range", f"a number is out of the range of {self.dtype}")
            return array.astype(self.dtype)
        try:
            with np.errstate(over="raise"):
                return array.astype(self.dtype)
        except FloatingPointError:
            raise invalid("out_of_range", f"a number is out of the range of {self.dtype}") from None

    def _check_shape(self, array: Array) -> Array:
        """Return the array. Raises RequestError (422) if an axis has another length than declared."""
        shape = self.tensor.shape
        fits = array.ndim == len(shape) and all(
            size in (-1, given) for size, given in zip(shape[1:], array.shape[1:], strict=True)
        )
        if not fits:
            raise invalid(
                "wrong_shape",
                f"expected an array of shape {list(shape)}, got {list(array.shape)}",
            )
        return array


class TensorsSchema:
    """Several arrays by name. A row is one entry of each.

    Raises StartError as TensorSchema does, and for a name that is missing or there twice.
    """

    columns = None

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.names = tuple(tensor.name or "" for tensor in tensors)
        if "" in self.names or len(set(self.names)) != len(self.names):
            raise StartError("several tensors of the input need a name of their own each")
        self.parts = {name: TensorSchema(t) for name, t in zip(self.names, tensors, strict=True)}

    def in_words(self) -> str:
        """Return what the model takes, for messages."""
        return f"the arrays {listed(self.names)}"

    def decode_fast(self, body: bytes) -> None:
        """Return None: tensors are always read by `convert`."""
        return

    def is_row(self, record: Mapping[str, Any]) -> bool:
        """Whether a mapping is one row: a value is nested less deeply than the tensor of its name."""
        return _is_row(record, self.parts)

    def convert(self, rows: list[Any]) -> TensorRows:
        """Convert rows: mappings by name, or lists in the order of the names.

        Raises RequestError (422) for an unknown or missing name, and as TensorSchema does.
        """
        if not rows:
            raise invalid("no_rows", "there are no rows")
        records = [
            row if isinstance(row, dict) else by_name(self.names, [row])[0] for row in rows
        ]  # fmt: skip
        for index, record in enumerate(records):
            self._check_names(record, index)
        return TensorRows(
            {
                name: self._told(name, part.convert_cells, [record[name] for record in records])
                for name, part in self.parts.items()
            }
        )

    def from_arrays(self, arrays: Mapping[str, Array]) -> TensorRows:
        """Return arrays of other dtypes in the declared ones. Raises RequestError as `convert`."""
        self._check_names(arrays, None)
        rows = TensorRows(
            {
                name: self._told(name, part.from_array, arrays[name])
                for name, part in self.parts.items()
            }
        )
        if len(set(map(len, rows.arrays.values()))) > 1:
            raise invalid("wrong_shape", "the tensors differ in their first axis")
        return rows

    def _check_names(self, given: Mapping[str, Any], row: int | None) -> None:
        if given.keys() == self.parts.keys():
            return
        known = f"the tensors are {listed(self.names)}"
        for name in given:
            if name not in self.parts:
                message = f"there is no tensor {name!r}; {known}"
                raise invalid("unknown_column", message, field=str(name), row=row)
        missing = next(name for name in self.names if name not in given)
        raise invalid("missing_column", f"tensor {missing!r} is missing", field=missing, row=row)

    def _told(self, name: str, read: Callable[[Any], Array], values: Any) -> Array:
        """Read one tensor, and name it in the error."""
        try:
            return read(values)
        except RequestError as error:
            message = error.message.removeprefix(f"row {error.row}: ")
            raise invalid(
                error.code, f"tensor {name!r}: {message}", field=name, row=error.row
            ) from None


def _is_row(record: Mapping[str, Any], parts: Mapping[str, TensorSchema]) -> bool:
    return any(
        depth(value) < len(parts[name].tensor.shape)
        for name, value in record.items()
        if name in parts
    )


def _flat_schema(tensor: Tensor) -> TensorSchema | None:
    """Return the schema of rows that are written flat; None if a row has one axis or is open."""
    inner = tensor.shape[1:]
    if -1 in inner or (len(inner) < 2 and inner != (1,)):
        return None
    shape = (-1,) if inner == (1,) else (-1, prod(inner))
    return TensorSchema(Tensor(tensor.dtype, shape, tensor.name))


def _is_whole(array: Array) -> bool:
    return bool(np.isfinite(array).all() and (array == np.trunc(array)).all())
