"""Rows as mappings by name, and as lists by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servestack_server.input.problems import invalid, listed


def by_name(names: Sequence[str], rows: list[Any]) -> list[dict[str, Any]]:
    """Turn rows by position into mappings. Raises RequestError (422) for a row of another length."""
    for index, row in enumerate(rows):
        if not isinstance(row, list | tuple) or len(row) != len(names):
            raise invalid(
                "wrong_length", f"expected {len(names)} values, one for each of `columns`", row=index
            )  # fmt: skip
    return [dict(zip(names, row, strict=True)) for row in rows]


def by_position(records: list[Any]) -> list[list[Any]]:
    """Turn mappings into rows by position, in the order of the first one's keys.

    Raises RequestError (422) for a row that is no mapping or has other keys.
    """
    names = list(records[0])
    for index, row in enumerate(records):
        if not isinstance(row, dict) or row.keys() != records[0].keys():
            raise invalid("wrong_type", f"expected the columns {listed(names)}", row=index)
    return [[row[name] for name in names] for row in records]
