"""The model's input, compiled into a type that msgspec parses and checks in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from servestack_contract.example import rows_of_table
from servestack_contract.settings import NESTED_TYPES, Column, Input
from servestack_contract.values import DescriptionError, columns_of
from servestack_contract.wrong_values import WrongValueError, listed
from servestack_server.errors import StartError
from servestack_server.input.language_models import LoneBody
from servestack_server.input.problems import invalid, refused, wrong_value
from servestack_server.input.records import by_position
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema

Row = Sequence[Any]
"""The values of one row, in the order of the columns."""


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
        try:
            types, self._checks = columns_of(columns)
        except DescriptionError as error:
            raise StartError(str(error)) from None
        self.row_type: Any = tuple[types]  # type: ignore[valid-type]
        self._rows_type = list[self.row_type]  # type: ignore[name-defined]
        self._decoder = msgspec.json.Decoder(list[self.row_type | dict[str, Any]])  # type: ignore[name-defined]
        self._whole = [
            at for at, column in enumerate(columns) if column.type in ("integer", "long")
        ]
        self._types = {column.name: column.type for column in columns}
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
                f"there is no column {unknown!r}; the columns are {listed(self.names)}",
                field=unknown,
                row=row,
            )
        return values

    def rows_in(self, data: list[Any]) -> list[Any]:
        """Return the rows in a list, as `rows_of_table` does."""
        return rows_of_table(data, self.columns)

    def is_nested(self, name: str) -> bool:
        """Whether the values of a column may hold other values."""
        return self._types[name] in NESTED_TYPES

    def is_binary(self, name: str) -> bool:
        """Whether the values of a column are bytes."""
        return self._types[name] == "binary"

    def is_by_column(self, given: dict[str, Any]) -> bool:
        """Whether a mapping holds a list of values for each column, not one record.

        Where all its columns are arrays it is one record, as in MLflow.
        """
        if not given or not all(isinstance(values, list) for values in given.values()):
            return False
        types = {self._types.get(name) for name in given}
        return not types <= {"array", "any"} or types == {"any"}

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
                    except WrongValueError as error:
                        raise refused(error, self.names[position], index) from None
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
        """Return rows by position. If rows are mappings, all must have the keys of the first, which
        go with the rows. The body of a language model stays as it is.

        Raises RequestError (422) for rows that differ in length or hold nested values.
        """
        if rows and all(isinstance(row, str | LoneBody) for row in rows):
            return rows
        if rows and isinstance(rows[0], dict):
            rows = by_position(rows)
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


Schema = TableSchema | TensorSchema | TensorsSchema | AnySchema


def compile_schema(given: Input) -> Schema:
    """Compile the input of the settings. Raises StartError for an input that contradicts itself."""
    if given.columns:
        is_unnamed = len(given.columns) == 1 and not given.columns[0].name
        kind = ValueSchema if is_unnamed else TableSchema
        return kind(given.columns, ignores_unknown=given.unknown_columns == "ignore")
    arrays = given.arrays
    if len(arrays) > 1:
        return TensorsSchema(arrays)
    return TensorSchema(arrays[0]) if arrays else AnySchema()


_MISSING: Any = object()
