"""The model's input, compiled into a type that msgspec parses and checks in one pass."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from servestack_contract.settings import Column, Input
from servestack_server.errors import StartError
from servestack_server.input.problems import invalid, listed, wrong_value
from servestack_server.input.records import by_name, by_position
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema

Row = Sequence[Any]
"""The values of one row, in the order of the columns."""

_INTEGER_BOUNDS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


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

    def reorder(self, names: Sequence[str], rows: list[Any]) -> list[Any]:
        """Turn rows in another order of columns into mappings. `names` are their column names.

        Raises RequestError (422) for a row of another length.
        """
        return by_name(names, rows)

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
                    except (ValueError, OverflowError) as error:
                        code = "not_allowed" if isinstance(error, ValueError) else "out_of_range"
                        raise invalid(
                            code, f"column {self.names[position]!r}: {error}",
                            field=self.names[position], row=index,
                        ) from None  # fmt: skip
            checked.append(tuple(values))
        return checked


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
            rows = by_position(rows)
        for index, row in enumerate(rows):
            if not isinstance(row, list | tuple):
                raise invalid("wrong_type", "expected a list of values", row=index)
            if len(row) != len(rows[0]):
                raise invalid("wrong_length", f"expected {len(rows[0])} values", row=index)
            if any(isinstance(value, list | dict) for value in row):
                raise invalid("wrong_type", "expected plain values", row=index)
        return rows


Schema = TableSchema | TensorSchema | TensorsSchema | AnySchema


def compile_schema(given: Input) -> Schema:
    """Compile the input of the settings. Raises StartError for an input that contradicts itself."""
    if given.columns:
        return TableSchema(given.columns)
    arrays = given.arrays
    if len(arrays) > 1:
        return TensorsSchema(arrays)
    return TensorSchema(arrays[0]) if arrays else AnySchema()


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
        return decode_base64
    if column.type == "datetime":
        return _datetime
    if column.enum is None:
        return None
    allowed = column.enum
    if all(type(value) in (str, int) for value in allowed) and column.type not in ("float", "double"):  # fmt: skip
        return None

    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"expected one of {listed(allowed)}")
        return value

    return check


_URL_SAFE = str.maketrans("-_", "+/")
_DATED = range(1678, 2262)
"""The years that the models' 64 bits of nanoseconds around 1970 hold as a whole."""


def decode_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, with or without padding and line ends.

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
