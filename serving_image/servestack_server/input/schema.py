"""The model's input, compiled into a type that msgspec parses and checks in one pass."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from servestack_contract.settings import Column, Input, Tensor
from servestack_server.errors import StartError
from servestack_server.input.problems import invalid, wrong_value

Row = Sequence[Any]
"""The values of one row, in the order of the columns."""

_INTEGER_BOUNDS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_TENSOR_ELEMENTS: dict[str, type] = {"bool": bool, "str": str, "float16": float, "float32": float, "float64": float}  # fmt: skip


class TableSchema:
    """Columns in a fixed order. Rows become tuples of Python values; a missing value is None.

    `ignores_unknown` says what becomes of columns that records have beside these: they are left out,
    or else refused. Raises StartError for two columns of one name, or bounds that do not fit a
    column's type.
    """

    def __init__(self, columns: tuple[Column, ...], *, ignores_unknown: bool = False) -> None:
        self.columns = columns
        self.ignores_unknown = ignores_unknown
        self.names = tuple(column.name for column in columns)
        self.positions = {name: index for index, name in enumerate(self.names)}
        if len(self.positions) != len(self.names):
            raise StartError("two columns of the input have the same name")
        self.row_type: Any = tuple[tuple(_checked_type(column) for column in columns)]  # type: ignore[misc]
        self._rows_type = list[self.row_type]  # type: ignore[name-defined]
        self._checks = [
            (index, check)
            for index, column in enumerate(columns)
            if (check := _further_check(column)) is not None
        ]
        self._decoder = msgspec.json.Decoder(list[self.row_type | dict[str, Any]])  # type: ignore[name-defined]
        self._whole = [
            at for at, column in enumerate(columns) if column.type in ("integer", "long")
        ]
        self._binary = [at for at, column in enumerate(columns) if column.type == "binary"]
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

        A column of bytes takes base64, or bytes as they are. Returns tuples in the order of the
        columns. Raises RequestError (422) for the first value that does not fit.
        """
        ordered = [
            self.from_record(row, index) if isinstance(row, dict) else row
            for index, row in enumerate(rows)
        ]
        if self._whole:
            ordered = [self._with_whole_numbers(row) for row in ordered]
        held = self._held_bytes(ordered) if self._binary else ()
        try:
            typed = msgspec.convert(ordered, self._rows_type)
        except (msgspec.ValidationError, OverflowError) as error:
            raise wrong_value(str(error), self.columns) from None
        checked = self._checked(typed)
        for index, at, value in held:
            row = checked[index]
            checked[index] = (*row[:at], value, *row[at + 1 :])
        return checked

    def from_record(self, record: dict[str, Any], row: int) -> list[Any]:
        """Return the values of a mapping in the order of the columns.

        `row` is the index of the row, for messages. Raises RequestError (422) for a missing or an
        unknown column.
        """
        values = [record.get(name, _MISSING) for name in self.names]
        if _MISSING in values:
            values = [self._absent(name, value, row) for name, value in zip(self.names, values, strict=True)]  # fmt: skip
        if self.ignores_unknown:
            return values
        if len(record) > len(values) or not record.keys() <= self.positions.keys():
            unknown = sorted(map(str, record.keys() - self.positions.keys()))[0]
            raise invalid(
                "unknown_column",
                f"there is no column {unknown!r}; the columns are {_listed(self.names)}",
                field=unknown,
                row=row,
            )
        return values

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

    def _held_bytes(self, rows: list[Any]) -> list[tuple[int, int, bytes]]:
        """Take bytes out of rows: (row, column, value) for each. Empty base64 stands in for them.

        So a file is neither encoded nor copied. Rows that had bytes are replaced in the list.
        """
        held = []
        for index, row in enumerate(rows):
            if not isinstance(row, list | tuple) or len(row) != len(self.names):
                continue
            taken = [(index, at, row[at]) for at in self._binary if isinstance(row[at], bytes)]
            if taken:
                rows[index] = list(row)
                for _, at, _ in taken:
                    rows[index][at] = ""
                held += taken
        return held

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
                    except (ValueError, OverflowError) as error:
                        code = "not_allowed" if isinstance(error, ValueError) else "out_of_range"
                        raise invalid(
                            code, f"column {self.names[position]!r}: {error}",
                            field=self.names[position], row=index,
                        ) from None  # fmt: skip
            checked.append(tuple(values))
        return checked


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
    """An input of which nothing is known: rows are lists of plain values of the same length."""

    columns = None

    def decode_fast(self, body: bytes) -> None:
        """Return None: there is no type to decode to."""
        return

    def convert(self, rows: list[Any]) -> list[Row]:
        """Return rows by position. If rows are mappings, all must have the keys of the first.

        Raises RequestError (422) for rows that differ in length or hold nested values.
        """
        if rows and isinstance(rows[0], dict):
            names = list(rows[0])
            for index, row in enumerate(rows):
                if not isinstance(row, dict) or row.keys() != rows[0].keys():
                    raise invalid("wrong_type", f"expected the columns {_listed(names)}", row=index)
            rows = [[row[name] for name in names] for row in rows]
        for index, row in enumerate(rows):
            if not isinstance(row, list | tuple):
                raise invalid("wrong_type", "expected a list of values", row=index)
            if len(row) != len(rows[0]):
                raise invalid("wrong_length", f"expected {len(rows[0])} values", row=index)
            if any(isinstance(value, list | dict) for value in row):
                raise invalid("wrong_type", "expected plain values", row=index)
        return rows


def _is_whole(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all() and (array == np.trunc(array)).all())


Schema = TableSchema | TensorSchema | AnySchema


def compile_schema(given: Input) -> Schema:
    """Compile the input of the settings. Raises StartError for an input that contradicts itself."""
    if given.columns:
        return TableSchema(given.columns, ignores_unknown=given.unknown_columns == "ignore")
    if given.tensor:
        return TensorSchema(given.tensor)
    return AnySchema()


_MISSING: Any = object()


def _checked_type(column: Column) -> Any:
    """Build the type of a column's values. Raises StartError if bounds or enum do not fit it."""
    wrong = column.enum is not None and (
        not column.enum or not all(_is_of(value, column.type) for value in column.enum)
    )
    try:
        kind = None if wrong else _value_type(column)
        msgspec.json.Decoder(kind)
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        wrong = True
    if wrong:
        raise StartError(f"column {column.name!r}: its bounds or its enum do not fit {column.type}")
    return kind


def _is_of(value: str | int | float | bool, kind: str) -> bool:
    """Whether a value of an enum has the column's type."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "long"):
        return type(value) is int
    if kind in ("float", "double"):
        return type(value) in (int, float)
    return isinstance(value, str)


def _value_type(column: Column) -> Any:
    kind: Any
    bounds: dict[str, Any] = {}
    if column.minimum is not None:
        bounds["ge"] = column.minimum
    if column.maximum is not None:
        bounds["le"] = column.maximum
    match column.type:
        case "boolean":
            kind = bool
        case "integer" | "long":
            low, high = _INTEGER_BOUNDS[column.type]
            low = max(low, _ceiling(column.minimum)) if column.minimum is not None else low
            high = min(high, int(column.maximum // 1)) if column.maximum is not None else high
            kind = Annotated[int, msgspec.Meta(ge=low, le=high)]
        case "float" | "double":
            kind = Annotated[float, msgspec.Meta(**bounds)] if bounds else float
        case _:
            kind = str
    if column.enum is not None and all(type(value) in (str, int) for value in column.enum) and kind is not float:  # fmt: skip
        kind = Literal[column.enum]
    return kind | None if column.nullable or not column.required else kind


def _ceiling(number: float) -> int:
    return int(-(-number // 1))


def _further_check(column: Column) -> Callable[[Any], Any] | None:
    """Build the check that msgspec cannot make: enums of numbers and booleans, base64, dates."""
    if column.type == "binary":
        return from_base64
    if column.type == "datetime":
        return _datetime
    if column.enum is None:
        return None
    allowed = column.enum
    if all(type(value) in (str, int) for value in allowed) and column.type not in ("float", "double"):  # fmt: skip
        return None

    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"expected one of {_listed(allowed)}")
        return value

    return check


_URL_SAFE = str.maketrans("-_", "+/")
_DATED = range(1678, 2262)
"""The years that the models' 64 bits of nanoseconds around 1970 hold as a whole."""


def from_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, with or without padding and line ends. Raises ValueError.

    MLflow's encoder ends lines as `base64.encodebytes` does.
    """
    compact = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64") from None


def _datetime(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a date and time like 2026-01-31T12:00:00Z") from None
    if moment.year not in _DATED:
        raise OverflowError(f"expected a year from {_DATED[0]} to {_DATED[-1]}")
    return moment


def _listed(values: Sequence[Any]) -> str:
    words = {True: "true", False: "false"}
    shown = ", ".join(
        words[value] if isinstance(value, bool) else str(value) for value in values[:12]
    )
    return f"{shown}, … ({len(values)} in all)" if len(values) > 12 else shown
