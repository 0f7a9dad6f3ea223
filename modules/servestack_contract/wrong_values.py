"""What is wrong with a value: a stable code, the part at fault, and words in place of msgspec's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from servestack_contract.settings import Column, Element, Param

_WORDS = {
    "float": "a number", "int": "a whole number", "str": "a string", "bool": "true or false",
    "null": "null", "array": "a list", "object": "an object",
}  # fmt: skip
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_TYPES = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_LENGTH = re.compile(r"Expected `array` of (?:at \w+ )?length (?P<length>\d+)")
_BOUND = re.compile(r"Expected `(?:float|int)(?: \| null)?` (?P<sign>[<>]=?) (?P<bound>\S+)")


class WrongValueError(Exception):
    """A value, or a part of it, does not fit. `path` leads to the part: `[0].role`."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path


def wrong_part(text: str, given: Column | Element | Param) -> WrongValueError:
    """Make the error for a failed conversion of one value in msgspec. `text` is its message."""
    return wrong_at(text, given, indexes_in(text))


def wrong_at(text: str, given: Column | Element | Param, indexes: list[int]) -> WrongValueError:
    """Make the error for a failed conversion of a part of a value; `indexes` lead to the part."""
    part: Column | Element | Param = given
    for _ in indexes:
        part = part.items or part
    code, words = in_words(text, part)
    return WrongValueError(code, words, "".join(f"[{index}]" for index in indexes))


def indexes_in(text: str) -> list[int]:
    """Return the indexes in the path that a message of msgspec holds."""
    at = _AT.search(text)
    return [int(number) for number in _INDEX.findall(at["path"])] if at else []


def in_words(text: str, column: Column | Element | Param | None) -> tuple[str, str]:
    """Return a code and plain words for a message of msgspec."""
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
