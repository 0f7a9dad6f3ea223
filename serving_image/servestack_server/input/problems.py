"""Errors in a request's body: a stable code, the row, the field, and a message."""

from __future__ import annotations

from http import HTTPStatus

from servestack_contract.settings import Column
from servestack_contract.wrong_values import WrongValueError, in_words, indexes_in, wrong_at
from servestack_server.errors import RequestError


def invalid(code: str, message: str, *, field: str = "", row: int | None = None) -> RequestError:
    """Make the error (422) for a well-formed body that does not fit the model's input."""
    where = f"row {row}: " if row is not None else ""
    return RequestError(
        HTTPStatus.UNPROCESSABLE_ENTITY, code, where + message, field=field, row=row
    )


class NoRowsError(RequestError):
    """A body is well-formed, and is a list without rows (422)."""

    def __init__(self, message: str = "there are no rows") -> None:
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, "no_rows", message)


def malformed(code: str, message: str) -> RequestError:
    """Make the error (400) for a body that does not match its content type or encoding."""
    return RequestError(HTTPStatus.BAD_REQUEST, code, message)


def refused(error: WrongValueError, name: str, row: int | None = None) -> RequestError:
    """Make the error (422) for the value of a column or a param of that name."""
    field = name + error.path if name else error.path.lstrip(".")
    where = f"column {field!r}" if name else repr(field)
    message = f"{where}: {error.message}" if field else error.message
    return invalid(error.code, message, field=field, row=row)


def too_many_rows(count: int, limit: int) -> RequestError:
    """Make the error (413) for a body with more rows than a request may have."""
    return RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_many_rows",
        f"{count:,} rows are more than the limit of {limit:,}",
    )


def wrong_value(text: str, columns: tuple[Column, ...] | None) -> RequestError:
    """Make the error (422) for a failed conversion in msgspec, in terms of the model's columns.

    `text` is msgspec's message, which holds the path of the value.
    """
    indexes = indexes_in(text)
    row = indexes[0] if indexes else None
    if columns and len(indexes) > 1:
        column = columns[indexes[1]]
        return refused(wrong_at(text, column, indexes[2:]), column.name, row)
    name = "".join(f"[{index}]" for index in indexes) if len(indexes) > 1 else ""
    code, words = in_words(text, None)
    return invalid(code, words, field=name, row=row)
