"""Whether the example in the settings fits the input in them, as the server finds at its start.

The forms of an example are those of a JSON body (`servestack_server.input.bodies`); a value is
checked by the code that checks requests. `tests/unit/contract/test_example.py` holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from servestack_contract.example_tensors import (
    FORMS,
    ExampleError,
    by_column_names,
    check_tensors,
    depth,
    split_rows,
    the_form,
    transposed,
)
from servestack_contract.settings import NESTED_TYPES, Column, Input
from servestack_contract.values import part_check
from servestack_contract.wrong_values import WrongValueError, listed


def example_fault(given: Input) -> str:
    """Return what is wrong with the example; empty if it fits, or if nothing says what it must be."""
    example = msgspec.to_builtins(given.example)
    if example is None or not given.is_known:
        return ""
    try:
        if given.columns:
            _Table(given.columns, ignores_unknown=given.unknown_columns == "ignore").check(example)
        else:
            check_tensors(example, given.arrays)
    except ExampleError as error:
        return str(error)
    return ""


class _Table:
    """The columns of a table, and what an example of it may look like."""

    def __init__(self, columns: Sequence[Column], *, ignores_unknown: bool) -> None:
        self.columns = columns
        self.by_name = {column.name: column for column in columns}
        self.names = [column.name for column in columns]
        self.is_unnamed = self.names == [""]
        self.ignores_unknown = ignores_unknown

    def check(self, example: Any) -> None:
        """Raise ExampleError for the first row or value that does not fit."""
        checks = [part_check(column) for column in self.columns]
        rows = self._rows(example)
        for index, row in enumerate(rows):
            values = self._by_position(row, index) if isinstance(row, dict) else row
            if not isinstance(values, list):
                raise ExampleError(f"row {index}: expected a list of values")
            if len(values) != len(self.columns):
                raise ExampleError(
                    f"row {index}: expected {len(self.columns)} values, one for each column, "
                    f"got {len(values)}"
                )
            for column, check, value in zip(self.columns, checks, values, strict=True):
                try:
                    check(_whole(value) if column.type in ("integer", "long") else value)
                except WrongValueError as error:
                    label = column.name + error.path if column.name else error.path.lstrip(".")
                    where = f"column {label!r}: " if label else ""
                    raise ExampleError(f"row {index}: {where}{error.message}") from None

    def _by_position(self, record: dict[str, Any], row: int) -> list[Any]:
        if self.is_unnamed:
            if len(record) != 1:
                raise ExampleError(f"row {row}: expected one column")
            return list(record.values())
        for column in self.columns:
            if column.required and column.name not in record:
                raise ExampleError(f"row {row}: column {column.name!r} is missing")
        unknown = [name for name in record if name not in self.by_name]
        if unknown and not self.ignores_unknown:
            raise ExampleError(
                f"row {row}: there is no column {unknown[0]!r}; the columns are "
                f"{listed(self.names)}"
            )
        return [record.get(name) for name in self.names]

    def _rows(self, example: Any) -> list[Any]:
        if isinstance(example, list):
            return self._rows_in(example)
        if not isinstance(example, dict):
            raise ExampleError("expected a list of rows, or an object that holds one")
        has_form = any(key in example for key in FORMS)
        if not has_form or self._is_record(example):
            if self._is_by_column(example):
                raise ExampleError(f"expected rows, or one of {', '.join(FORMS)}")
            return self._record(example)
        form = the_form(example)
        return self._in_form(form, example[form])

    def _in_form(self, form: str, value: Any) -> list[Any]:
        if form == "dataframe_split":
            return self._split(value)
        if isinstance(value, dict):
            if not self._is_by_column(value):
                return self._record(value)
            return transposed(value)
        if (
            form == "dataframe_records"
            and isinstance(value, list)
            and all(isinstance(row, dict) for row in value)
        ):
            return value
        if isinstance(value, list):
            return self._rows_in(value)
        if self.is_unnamed and value is not None:
            return self._rows_in([value])
        raise ExampleError(f"{form}: expected a list of rows")

    def _split(self, value: Any) -> list[Any]:
        rows, names = split_rows(value), value.get("columns")
        is_as_declared = names is None or names == self.names or self.is_unnamed
        return rows if is_as_declared else by_column_names(names, rows)

    def _rows_in(self, data: list[Any]) -> list[Any]:
        if self.is_unnamed:
            if self.columns[0].type in NESTED_TYPES:
                return [[value] for value in data]
            return [row if isinstance(row, list) and len(row) == 1 else [row] for row in data]
        return rows_of_table(data, self.columns)

    def _record(self, data: dict[str, Any]) -> list[Any]:
        return self._rows_in([data]) if self.is_unnamed else [data]

    def _is_record(self, data: dict[str, Any]) -> bool:
        return data.keys() <= self.by_name.keys() and not any(
            isinstance(value, list | dict) for value in data.values()
        )

    def _is_by_column(self, data: dict[str, Any]) -> bool:
        if self.is_unnamed or not data:
            return False
        if not all(isinstance(values, list) for values in data.values()):
            return False
        types = {self.by_name[name].type if name in self.by_name else None for name in data}
        return not types <= {"array", "any"} or types == {"any"}


def rows_of_table(data: list[Any], columns: Sequence[Column]) -> list[Any]:
    """Return the rows in a list: rows by position, records, or one row of plain values.

    Where there is one column, its values may also stand alone, as in MLflow.
    """
    if len(columns) > 1:
        flat = bool(data) and not any(isinstance(row, list | dict) for row in data)
        return [data] if flat and len(data) == len(columns) else data
    is_array = columns[0].type == "array" and bool(data)
    if is_array and not any(isinstance(row, dict) for row in data):
        deeper = depth(data) - _declared_depth(columns[0])
        if deeper < 2:
            return [[value] for value in data] if deeper == 1 else [[data]]
    return [row if isinstance(row, list | dict) else [row] for row in data]


def _declared_depth(given: Column) -> int:
    count, part = 1, given.items
    while part is not None and part.type == "array":
        count, part = count + 1, part.items
    return count


def _whole(value: Any) -> Any:
    """40.0 is a whole number, as for JSON Schema."""
    return int(value) if type(value) is float and value.is_integer() else value
