"""The type and the checks of one value: of a column, of an element in it, or of a param."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from servestack_contract.moments import moment
from servestack_contract.settings import NESTED_TYPES, Column, Element, Param
from servestack_contract.wrong_values import WrongValueError, listed, wrong_part

Described = Column | Element | Param
Check = Callable[[Any], Any]
"""Returns the value as the model gets it. Raises WrongValueError."""

_INTEGER_BOUNDS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class DescriptionError(ValueError):
    """A column or a param is described in a way that no value fits. The message names it."""


def checked_type(given: Described, name: str) -> Any:
    """Build the type of a value. `name` is for messages.

    Raises DescriptionError if bounds or enum do not fit it, or a part of it is described wrongly.
    """
    wrong = given.enum is not None and (
        not given.enum or not all(_is_of(value, given.type) for value in given.enum)
    )
    try:
        kind = None if wrong else value_type(given)
        msgspec.json.Decoder(kind)
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        wrong = True
    if wrong:
        raise DescriptionError(f"column {name!r}: its bounds or its enum do not fit {given.type}")
    for part, path in _parts(given):
        checked_type(part, name + path)
    return kind


def _parts(given: Described) -> list[tuple[Column | Element, str]]:
    parts: list[tuple[Column | Element, str]] = [
        (part, "[]") for part in (given.items, given.values) if part is not None
    ]
    return parts + [(part, f".{part.name}") for part in given.properties or ()]


def value_type(given: Described) -> Any:
    """Build the msgspec type of a value. What it cannot check is left to `further_check`."""
    kind: Any
    bounds: dict[str, Any] = {}
    if given.minimum is not None:
        bounds["ge"] = given.minimum
    if given.maximum is not None:
        bounds["le"] = given.maximum
    match given.type:
        case "any":
            return Any
        case "array":
            plain = given.items is not None and further_check(given.items) is None
            kind = list[value_type(given.items)] if plain else list[Any]  # type: ignore[arg-type, misc]
        case "object" | "map":
            kind = dict[str, Any]
        case "boolean":
            kind = bool
        case "integer" | "long":
            low, high = _INTEGER_BOUNDS[given.type]
            low = max(low, _ceiling(given.minimum)) if given.minimum is not None else low
            high = min(high, int(given.maximum // 1)) if given.maximum is not None else high
            kind = Annotated[int, msgspec.Meta(ge=low, le=high)]
        case "float" | "double":
            kind = Annotated[float, msgspec.Meta(**bounds)] if bounds else float
        case _:
            kind = str
    if given.enum is not None and all(type(value) in (str, int) for value in given.enum) and kind is not float:  # fmt: skip
        kind = Literal[given.enum]
    return kind | None if given.may_be_null else kind


def further_check(given: Described) -> Check | None:
    """Build the check of what msgspec cannot check: enums of numbers and booleans, base64, dates,
    members of objects and maps. None if the type says it all."""
    match given.type:
        case "any":
            return _shallow
        case "array":
            return _array_check(given)
        case "object":
            return _object_check(given)
        case "map":
            return _map_check(given)
        case "binary":
            return from_base64
        case "datetime":
            return moment
    if given.enum is None:
        return None
    allowed = given.enum
    if all(type(value) in (str, int) for value in allowed) and given.type not in ("float", "double"):  # fmt: skip
        return None

    def check(value: Any) -> Any:
        if value not in allowed:
            raise WrongValueError("not_allowed", f"expected one of {listed(allowed)}")
        return value

    return check


def part_check(given: Described) -> Check:
    """Build the whole check of a value that msgspec has not seen, such as a member of an object.

    Base64 and dates stay text, as MLflow hands them over inside other values.
    """
    kind = value_type(given)
    further = further_check(given)

    def check(value: Any) -> Any:
        try:
            typed = msgspec.convert(value, kind)
        except (msgspec.ValidationError, OverflowError) as error:
            raise wrong_part(str(error), given) from None
        if further is None or typed is None:
            return typed
        checked = further(typed)
        return checked if given.type in NESTED_TYPES else typed

    return check


def _array_check(given: Described) -> Check | None:
    items = given.items
    if items is None:
        return _shallow
    if further_check(items) is None:
        return None
    check_item = part_check(items)
    return lambda values: [_inside(f"[{at}]", check_item, value) for at, value in enumerate(values)]


def _map_check(given: Described) -> Check:
    if given.values is None:
        return _shallow
    check_item = part_check(given.values)
    return lambda values: {
        key: _inside(f".{key}", check_item, value) for key, value in values.items()
    }


def _object_check(given: Described) -> Check:
    if given.properties is None:
        return _shallow
    members = {member.name: part_check(member) for member in given.properties}
    required = [member.name for member in given.properties if member.required]
    may_be_empty = not getattr(given, "required", True)  # as in MLflow

    def check(values: dict[str, Any]) -> dict[str, Any]:
        if not values and may_be_empty:
            return values
        for name in required:
            if name not in values:
                raise WrongValueError("missing_property", "is missing", f".{name}")
        for name in values:
            if name not in members:
                message = f"is unknown; the properties are {listed([*members])}"
                raise WrongValueError("unknown_property", message, f".{name}")
        return {name: _inside(f".{name}", members[name], value) for name, value in values.items()}

    return check


_LEVELS = 100
"""Levels of a value that is not described. JSON may have more than the code behind can walk."""


def _shallow(value: Any) -> Any:
    level = [value]
    for _ in range(_LEVELS):
        holders = [inner for inner in level if isinstance(inner, list | dict)]
        if not holders:
            return value
        level = [
            inner
            for holder in holders
            for inner in (holder if isinstance(holder, list) else holder.values())
        ]
    raise WrongValueError("invalid_value", f"expected at most {_LEVELS} levels")


def _inside(path: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except WrongValueError as error:
        error.path = path + error.path
        raise


def _is_of(value: str | int | float | bool, kind: str) -> bool:
    """Whether a value of an enum has the column's type."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "long"):
        return type(value) is int
    if kind in ("float", "double"):
        return type(value) in (int, float)
    return kind not in NESTED_TYPES and isinstance(value, str)


def _ceiling(number: float) -> int:
    return int(-(-number // 1))


_URL_SAFE = str.maketrans("-_", "+/")


def from_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, with or without padding and line ends.

    MLflow's encoder ends lines as `base64.encodebytes` does. Raises WrongValueError.
    """
    compact = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise WrongValueError("not_allowed", "expected base64") from None


def columns_of(given: Sequence[Column]) -> tuple[tuple[Any, ...], list[tuple[int, Check]]]:
    """Return the columns' types, and (position, check) of those that need a further check.

    Raises DescriptionError as `checked_type` does.
    """
    types = tuple(checked_type(column, column.name) for column in given)
    checks = [(at, check) for at, column in enumerate(given) if (check := further_check(column))]
    return types, checks
