"""Reads CSV. The first line has the column names, in any order.

A cell is read by the type of its column. Source: RFC 4180, and how pandas writes: empty cells are
missing values, booleans are True and False.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any

from servestack_server.input.content_type import ContentType
from servestack_server.input.problems import invalid, malformed, too_many_rows
from servestack_server.input.records import by_name, require_distinct
from servestack_server.input.schema import AnySchema, Schema, TableSchema, ValueSchema
from servestack_server.input.tensor_schema import TensorSchema

_MISSING = frozenset({"", "NaN", "nan", "NA", "N/A", "null", "NULL", "None"})
"""How a number that is missing is written: the most common of those that pandas reads so."""
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_FRACTION = re.compile(r"[.eE]")


def _constant(name: str) -> None:
    """Read NaN as a missing value, as pandas writes it. A table cannot hold infinity."""
    if name != "NaN":
        raise ValueError(name)


_decode = json.JSONDecoder(parse_constant=_constant).decode


def csv_rows(body: bytes, given: ContentType, schema: Schema, max_rows: int) -> list[Any]:
    """Return the rows of a CSV body, unchecked: records by name if the schema has columns.

    Raises RequestError: 400 if the body is not CSV; 413 for more than `max_rows`; 415 for an unknown
    charset; 422 if there is no line with the column names, no row, or a row of another length.
    """
    text = given.text(body)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if line]
    except csv.Error as error:
        raise malformed("malformed_csv", f"the body is not CSV: {error}") from None
    if given.parameters.get("header") == "absent":  # RFC 4180, 3
        raise invalid("no_header", "the first line must have the column names")
    if lines:
        _check_names(lines[0], schema)
    if len(lines) < 2:
        raise invalid("no_rows", "expected a line with the column names, then the rows")
    names, *rows = lines
    if len(rows) > max_rows:
        raise too_many_rows(len(rows), max_rows)
    for index, row in enumerate(rows):
        if len(row) != len(names):
            message = f"expected {len(names)} cells, one for each name in the first line"
            raise invalid("wrong_length", message, row=index)
    read = [cell_reader(name, schema) for name in names]
    values = [[of(cell) for of, cell in zip(read, row, strict=True)] for row in rows]
    is_array = isinstance(schema, TensorSchema | AnySchema)
    return values if is_array else by_name(names, values)


def cell_reader(column: str, schema: Schema) -> Callable[[str], Any]:
    """Return the function from the text of a cell to its value.

    Texts stay as they are: `1.50` in a column of strings is not a number. What does not read like
    the column's type is returned as text, which the schema then refuses.
    """
    if not isinstance(schema, TableSchema):
        return value_of
    at = 0 if isinstance(schema, ValueSchema) else schema.positions.get(column)
    return value_of if at is None else _READERS.get(schema.columns[at].type, value_of)


def value_of(cell: str) -> Any:
    """Return a cell as a number or a boolean if it reads like one, else as text; None if empty."""
    if cell == "":
        return None
    try:
        value = _decode(cell)
    except (ValueError, RecursionError):
        return cell
    if isinstance(value, float) and not isfinite(value):
        return cell
    return value if isinstance(value, int | float | bool) or value is None else cell


def _check_names(names: list[str], schema: Schema) -> None:
    """Raise RequestError (422) for names that are none.

    A first line that is a row would be lost without a word, and an index taken for a value.
    """
    if isinstance(schema, TableSchema):
        has_no_names = isinstance(schema, ValueSchema)
        is_row = not has_no_names and not schema.positions.keys() & set(names)
        wanted = ", ".join(schema.names[:12])
        may_be_unnamed = schema.ignores_unknown or "" in schema.positions
    else:
        # pandas names the columns of an array 0, 1, 2, …
        is_row = all(map(_NUMBER.fullmatch, names)) and names != list(map(str, range(len(names))))
        wanted = "separated by commas"
        may_be_unnamed = False
    if is_row:
        shown = ",".join(names)[:60]
        message = f"the first line must have the column names, {wanted}; it is {shown!r}"
        raise invalid("no_header", message)
    require_distinct(names)
    if "" in names and not may_be_unnamed:
        message = "a column has no name; pandas leaves out the index with to_csv(index=False)"
        raise invalid("unknown_column", message)


def _text(cell: str) -> str | None:
    return cell or None


def _boolean(cell: str) -> Any:
    """Read a boolean as pandas writes it (True), as R does (TRUE), or as JSON does (true)."""
    if cell in _MISSING:
        return None
    return value_of(cell.lower() if cell.lower() in ("true", "false") else cell)


def _number(cell: str) -> Any:
    """Read a number of JSON, or one as others write it: `.5`, `5.`, `+5`, `05`."""
    if not _NUMBER.fullmatch(cell):
        return None if cell in _MISSING else cell
    number = float(cell)
    if not isfinite(number):
        return cell
    return number if _FRACTION.search(cell) else int(cell)


_READERS: dict[str, Callable[[str], Any]] = {
    "string": _text, "binary": _text, "datetime": _text, "boolean": _boolean,
    "integer": _number, "long": _number, "float": _number, "double": _number,
}  # fmt: skip
