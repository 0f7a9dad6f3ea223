"""The error of everything that may convert a model."""

from __future__ import annotations

from servestack_contract.settings import Column
from servestack_server.models.columns import TEXTUAL, may_be_null


class NotConvertedError(Exception):
    """The model has no other form. The message says why, in one line."""


def require_plain_text(columns: tuple[Column, ...] | None, form: str) -> None:
    """Raise NotConvertedError for a column that is neither numbers nor text in every row."""
    for column in columns or ():
        if column.type in TEXTUAL and (may_be_null(column) or column.type != "string"):
            raise NotConvertedError(f"column {column.name}: {form} cannot hold its values")
