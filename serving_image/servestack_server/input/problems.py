"""Errors in a request's body: a stable code, the row, the field, and a message."""

from __future__ import annotations

import re
from http import HTTPStatus

from servestack_contract.settings import Column
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


def malformed(code: str, message: str) -> RequestError:
    """Make the error (400) for a body that does not match its content type or encoding."""
    return RequestError(HTTPStatus.BAD_REQUEST, code, message)


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
    at = _AT.search(text)
    indexes = [int(number) for number in _INDEX.findall(at["path"])] if at else []
    row = indexes[0] if indexes else None
    column = columns[indexes[1]] if columns and len(indexes) > 1 else None
    name = column.name if column else ""
    if not column and len(indexes) > 1:
        name = "".join(f"[{index}]" for index in indexes)
    code, words = _in_words(text, column)
    return invalid(code, f"column {name!r}: {words}" if column else words, field=name, row=row)


def _in_words(text: str, column: Column | None) -> tuple[str, str]:
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
