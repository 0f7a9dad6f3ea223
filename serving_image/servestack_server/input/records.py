"""Rows as mappings by name, as lists by position, and as lists of values by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from servestack_contract.wrong_values import listed
from servestack_server.input.problems import invalid


class NamedRow(tuple[Any, ...]):
    """The values of a row whose record has given them names, for a model of unknown input."""

    names: tuple[str, ...]

    def __new__(cls, values: Sequence[Any], names: tuple[str, ...]) -> NamedRow:
        row = super().__new__(cls, values)
        row.names = names
        return row


def require_distinct(names: Sequence[str], *, field: str = "") -> None:
    """Raise RequestError (422) if two columns have one name. `field` is the place, else the name."""
    if len(set(names)) != len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise invalid("ambiguous", f"column {name!r} is named twice", field=field or name)


def by_name(names: Sequence[str], rows: list[Any]) -> list[dict[str, Any]]:
    """Turn rows by position into mappings. Raises RequestError (422) for a row of another length."""
    for index, row in enumerate(rows):
        if not isinstance(row, list | tuple) or len(row) != len(names):
            raise invalid(
                "wrong_length", f"expected {len(names)} values, one for each of `columns`", row=index
            )  # fmt: skip
    return [dict(zip(names, row, strict=True)) for row in rows]


def by_position(records: list[Any]) -> list[NamedRow]:
    """Turn mappings into rows by position, in the order of the first one's keys.

    Raises RequestError (422) for a row that is no mapping or has other keys.
    """
    names = tuple(records[0])
    for index, row in enumerate(records):
        if not isinstance(row, dict) or row.keys() != records[0].keys():
            raise invalid("wrong_type", f"expected the columns {listed(names)}", row=index)
    return [NamedRow([row[name] for name in names], names) for row in records]


def from_columns(
    columns: Mapping[str, list[Any]], message: str, *, field: str = ""
) -> list[dict[str, Any]]:
    """Turn lists of values by name into mappings.

    Raises RequestError (422) with `message` and `field` if the lists differ in length.
    """
    if len({len(values) for values in columns.values()}) > 1:
        raise invalid("wrong_length", message, field=field)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
