"""The model's input, compiled into a type that msgspec parses and checks in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from servestack_contract.settings import NESTED_TYPES, Column, Input, Tensor
from servestack_server.errors import StartError
from servestack_server.input.problems import WrongValueError, invalid, listed, wrong_value
from servestack_server.input.values import columns_of

Row = Sequence[Any]
"""The values of one row, in the order of the columns."""

_TENSOR_ELEMENTS: dict[str, type] = {"bool": bool, "str": str, "float16": float, "float32": float, "float64": float}  # fmt: skip


class TableSchema:
    """Columns in a fixed order. Rows become tuples of Python values; a missing value is None.

    Raises StartError for two columns of one name, or bounds that do not fit a column's type.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.names = tuple(column.name for column in columns)
        self.positions = {name: index for index, name in enumerate(self.names)}
        if len(self.positions) != len(self.names):
            raise StartError("two columns of the input have the same name")
        types, self._checks = columns_of(columns)
        self.row_type: Any = tuple[types]  # type: ignore[valid-type]
        self._rows_type = list[self.row_type]  # type: ignore[name-defined]
        self._decoder = msgspec.json.Decoder(list[self.row_type | dict[str, Any]])  # type: ignore[name-defined]
        self._whole = [
            at for at, column in enumerate(columns) if column.type in ("integer", "long")
        ]
        self._types = {column.name: column.type for column in columns}
        self._optional = {column.name for column in columns if not column.required}

    def decode_fast(self, body: bytes) -> list[Row] | None:
        """Decode a bare list of lists, which is the most common body. None for any other body."""
        try:
            rows: list[Any] = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        for row in rows:
            if row.__class__ is dict:
                return None
        return self._checked(rows) if self._checks else rows

    def convert(self, rows: list[Any]) -> list[Row]:
        """Check rows that are lists by position or mappings by column name.

        Returns tuples in the order of the columns. Raises RequestError (422) for the first value
        that does not fit.
        """
        ordered = [
            self.from_record(row, index) if isinstance(row, dict) else row
            for index, row in enumerate(rows)
        ]
        if self._whole:
            ordered = [self._with_whole_numbers(row) for row in ordered]
        try:
            typed = msgspec.convert(ordered, self._rows_type)
        except (msgspec.ValidationError, OverflowError) as error:
            raise wrong_value(str(error), self.columns) from None
        return self._checked(typed)

    def from_record(self, record: dict[str, Any], row: int) -> list[Any]:
        """Return the values of a mapping in the order of the columns.

        `row` is the index of the row, for messages. Raises RequestError (422) for a missing or an
        unknown column.
        """
        values = [record.get(name, _MISSING) for name in self.names]
        if _MISSING in values:
            values = [self._absent(name, value, row) for name, value in zip(self.names, values, strict=True)]  # fmt: skip
        if len(record) > len(values) or not record.keys() <= self.positions.keys():
            unknown = sorted(map(str, record.keys() - self.positions.keys()))[0]
            raise invalid(
                "unknown_column",
                f"there is no column {unknown!r}; the columns are {listed(self.names)}",
                field=unknown,
                row=row,
            )
        return values

    def rows_in(self, data: list[Any]) -> list[Any]:
        """Return the rows in a list: rows by position, records, or one row of plain values.

        Where there is one column, its values may also stand alone, as in MLflow.
        """
        if len(self.columns) > 1:
            flat = bool(data) and not any(isinstance(row, list | dict) for row in data)
            return [data] if flat and len(data) == len(self.names) else data
        is_array = self.columns[0].type == "array" and bool(data)
        if is_array and not any(isinstance(row, dict) for row in data):
            deeper = _depth(data) - _declared_depth(self.columns[0])
            if deeper < 2:
                return [[value] for value in data] if deeper == 1 else [[data]]
        return [row if isinstance(row, list | dict) else [row] for row in data]

    def is_nested(self, name: str) -> bool:
        """Whether the values of a column may hold other values."""
        return self._types[name] in NESTED_TYPES

    def is_by_column(self, given: dict[str, Any]) -> bool:
        """Whether a mapping holds a list of values for each column, not one record.

        Where all its columns are arrays it is one record, as in MLflow.
        """
        if not given or not all(isinstance(values, list) for values in given.values()):
            return False
        types = {self._types.get(name) for name in given}
        return not types <= {"array", "any"} or types == {"any"}

    def reorder(self, names: Sequence[str], rows: list[Any]) -> list[Any]:
        """Turn rows in another order of columns into mappings. `names` are their column names.

        Raises RequestError (422) for a row of another length.
        """
        for index, row in enumerate(rows):
            if not isinstance(row, list | tuple) or len(row) != len(names):
                raise invalid(
                    "wrong_length", f"expected {len(names)} values, one for each of `columns`", row=index
                )  # fmt: skip
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _with_whole_numbers(self, row: Any) -> Any:
        """Turn 40.0 into 40, as JSON Schema allows: pandas writes integers with gaps as floats."""
        if not isinstance(row, list | tuple) or len(row) != len(self.names):
            return row
        values = list(row)
        for at in self._whole:
            if type(values[at]) is float and values[at].is_integer():
                values[at] = int(values[at])
        return values

    def _absent(self, name: str, value: Any, row: int) -> Any:
        if value is not _MISSING:
            return value
        if name in self._optional:
            return None
        raise invalid("missing_column", f"column {name!r} is missing", field=name, row=row)

    def _checked(self, rows: list[Row]) -> list[Row]:
        if not self._checks:
            return rows
        checked: list[Row] = []
        for index, row in enumerate(rows):
            values = list(row)
            for position, check in self._checks:
                if values[position] is not None:
                    try:
                        values[position] = check(values[position])
                    except WrongValueError as error:
                        raise error.at(self.names[position], index) from None
            checked.append(tuple(values))
        return checked


class ValueSchema(TableSchema):
    """One column without a name: each element of a list is the value of a row, which is a tuple.

    That is the signature of a pyfunc model with a type hint, such as `list[str]`.
    """

    def decode_fast(self, body: bytes) -> list[Row] | None:
        """Return None: a list in a list can be a row or its value."""
        return None

    def rows_in(self, data: list[Any]) -> list[Any]:
        """Return the rows in a list of values. A plain value may also stand in a row of its own."""
        if self.columns[0].type in NESTED_TYPES:
            return [[value] for value in data]
        return [value if isinstance(value, list) and len(value) == 1 else [value] for value in data]

    def is_by_column(self, given: dict[str, Any]) -> bool:
        """Return False: a mapping is a value."""
        return False

    def from_record(self, record: dict[str, Any], row: int) -> list[Any]:
        """Return the only value of a mapping, whatever its name, as MLflow takes it.

        Raises RequestError (422) for more than one.
        """
        if len(record) != 1:
            raise invalid("wrong_length", "expected one column", row=row)
        return list(record.values())


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
        element: Any = _TENSOR_ELEMENTS.get(tensor.dtype, int)
        for _ in tensor.shape:
            element = list[element]
        self._type = element

    def decode_fast(self, body: bytes) -> np.ndarray | None:
        """Return None: tensors are always read by `convert`."""
        return None

    def convert(self, rows: Any) -> np.ndarray:
        """Convert nested lists to an array of the declared shape and dtype.

        Raises RequestError (422) for another depth, element type or shape.
        """
        try:
            values = msgspec.convert(rows, self._type)
            with np.errstate(over="raise"):
                array = np.array(values, dtype=self.dtype)
        except (msgspec.ValidationError, OverflowError, FloatingPointError) as error:
            raise wrong_value(str(error), None) from None
        except ValueError:
            raise invalid("wrong_shape", "the lists of an axis differ in length") from None
        if not len(array):
            raise invalid("no_rows", "there are no rows")
        return self._check_shape(array)

    def from_array(self, array: np.ndarray) -> np.ndarray:
        """Return an array of another dtype in the declared one, with the same values.

        A number may only be rounded, as any decimal is, to the nearest of a float dtype. Raises
        RequestError (422) for another kind of value, for a value that the declared dtype does not
        hold, and for another shape.
        """
        if object in (array.dtype, self.dtype):  # object: text
            return self.convert(array.tolist())
        return self._check_shape(array if array.dtype == self.dtype else self._cast(array))

    def _cast(self, array: np.ndarray) -> np.ndarray:
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

    def _check_shape(self, array: np.ndarray) -> np.ndarray:
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


class AnySchema:
    """An input of which nothing is known: rows are lists of plain values, or all of them texts."""

    columns = None

    def decode_fast(self, body: bytes) -> None:
        """Return None: there is no type to decode to."""
        return

    def rows_in(self, data: list[Any]) -> list[Any]:
        """Return the rows in a list. Texts are rows of a text model, other values are one row."""
        if not data or any(isinstance(row, list | dict) for row in data):
            return data
        return data if all(isinstance(row, str) for row in data) else [data]

    def convert(self, rows: list[Any]) -> list[Row]:
        """Return rows by position. If rows are mappings, all must have the keys of the first.

        Raises RequestError (422) for rows that differ in length or hold nested values.
        """
        if rows and all(isinstance(row, str) for row in rows):
            return rows
        if rows and isinstance(rows[0], dict):
            names = list(rows[0])
            for index, row in enumerate(rows):
                if not isinstance(row, dict) or row.keys() != rows[0].keys():
                    raise invalid("wrong_type", f"expected the columns {listed(names)}", row=index)
            rows = [[row[name] for name in names] for row in rows]
        for index, row in enumerate(rows):
            if not isinstance(row, list | tuple):
                raise invalid("wrong_type", "expected a list of values", row=index)
            if len(row) != len(rows[0]):
                raise invalid("wrong_length", f"expected {len(rows[0])} values", row=index)
            if any(isinstance(value, list | dict) for value in row):
                raise invalid(
                    "wrong_type",
                    "expected plain values; a model without a signature takes others only if "
                    "api.input.columns of the spec describes them",
                    row=index,
                )
        return rows


def _depth(data: Any) -> int:
    depth = 0
    while isinstance(data, list):
        depth, data = depth + 1, data[0] if data else None
    return depth


def _declared_depth(given: Column) -> int:
    depth, part = 1, given.items
    while part is not None and part.type == "array":
        depth, part = depth + 1, part.items
    return depth


def _is_whole(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all() and (array == np.trunc(array)).all())


Schema = TableSchema | TensorSchema | AnySchema


def compile_schema(given: Input) -> Schema:
    """Compile the input of the settings. Raises StartError for an input that contradicts itself."""
    if given.columns:
        is_unnamed = len(given.columns) == 1 and not given.columns[0].name
        return (ValueSchema if is_unnamed else TableSchema)(given.columns)
    if given.tensor:
        return TensorSchema(given.tensor)
    return AnySchema()


_MISSING: Any = object()
