"""Errors in a request's body: a stable code, the row, the field, and a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from servestack_contract.settings import Column, Element, Param
from servestack_server.errors import RequestError

_WORDS = {
    "float": "a number", "int": "a whole number", "str": "a string", "bool": "true or false",
    "null": "null", "array": "a list", "object": "an object",
}  # fmt: skip
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_TYPES = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_LENGTH = re.compile(r"Expected `array` of (?:at \w+ )?length (?P<length>\d+)")
_BOUND = re.compile(r"Expected `(?:float|int)(?: \| null)?` (?P<sign>[<>]=?) (?P<bound>\S+)")


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


class WrongValueError(Exception):
    """A value, or a part of it, does not fit. `path` leads to the part: `[0].role`."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path

    def at(self, name: str, row: int | None = None) -> RequestError:
        """Make the error (422) for the value of a column or a param of that name."""
        field = name + self.path if name else self.path.lstrip(".")
        where = f"column {field!r}" if name else repr(field)
        message = f"{where}: {self.message}" if field else self.message
        return invalid(self.code, message, field=field, row=row)


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
    indexes = _indexes(text)
    row = indexes[0] if indexes else None
    if columns and len(indexes) > 1:
        column = columns[indexes[1]]
        return _wrong(text, column, indexes[2:]).at(column.name, row)
    name = "".join(f"[{index}]" for index in indexes) if len(indexes) > 1 else ""
    code, words = _in_words(text, None)
    return invalid(code, words, field=name, row=row)


def wrong_part(text: str, given: Column | Element | Param) -> WrongValueError:
    """Make the error for a failed conversion of one value in msgspec. `text` is its message."""
    return _wrong(text, given, _indexes(text))


def _wrong(text: str, given: Column | Element | Param, indexes: list[int]) -> WrongValueError:
    part: Column | Element | Param = given
    for _ in indexes:
        part = part.items or part
    code, words = _in_words(text, part)
    return WrongValueError(code, words, "".join(f"[{index}]" for index in indexes))


def _indexes(text: str) -> list[int]:
    at = _AT.search(text)
    return [int(number) for number in _INDEX.findall(at["path"])] if at else []


def _in_words(text: str, column: Column | Element | Param | None) -> tuple[str, str]:
    if match := _LENGTH.match(text):
        return "wrong_length", f"expected {match['length']} values, one for each column"
    if match := _TYPES.match(text):
        expected = " or ".join(_WORDS.get(word, word) for word in match["expected"].split(" | "))
        got = _WORDS.get(match["got"], match["got"])
        if match["got"] == "null":
            return "null_value", f"expected {expected}, got null"
        return "wrong_type", f"expected {expected}, got {got}"
    if match := _BOUND.match(text):
        sign = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
        bound = match["bound"].removesuffix(".0")
        return "out_of_range", f"expected {sign[match['sign']]} {bound}"
    if text.startswith("Invalid enum value") and column is not None and column.enum:
        shown = ", ".join(map(str, column.enum[:12]))
        return "not_allowed", f"expected one of {shown}"
    if any(
        words in text
        for words in ("out of range", "out of bounds", "int too", "too large", "overflow")
    ):
        return "out_of_range", "the number is out of range"
    return "invalid_value", _AT.sub("", text).rstrip(".")


def listed(values: Sequence[Any]) -> str:
    """Return the first values as text for a message, with their number if there are more."""
    words = {True: "true", False: "false"}
    shown = ", ".join(
        words[value] if isinstance(value, bool) else str(value) for value in values[:12]
    )
    return f"{shown}, … ({len(values)} in all)" if len(values) > 12 else shown
