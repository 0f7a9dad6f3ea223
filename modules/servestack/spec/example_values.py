"""Whether a value in a spec, such as an example, fits what a column or a param takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from servestack.spec.columns import Column, Element, Param

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "string": (str,),
    "binary": (str,),
    "datetime": (str,),
    "array": (list, tuple),
    "object": (dict,),
    "map": (dict,),
}


def misfit(value: Any, given: Column | Element | Param) -> tuple[str, Any] | None:
    """Return the first part of a value that does not fit, as (path, part); None if all of it fits.

    A path is `[0].role`, and empty for the value itself.
    """
    return next(_misfits(value, given, ""), None)


def _misfits(value: Any, given: Column | Element | Param, path: str) -> Iterator[tuple[str, Any]]:
    if given.type == "any":
        return
    if value is None:
        if not given.nullable and getattr(given, "required", True):
            yield path, value
    elif not _is_of(value, given.type) or not _is_allowed(value, given):
        yield path, value
    elif given.type == "array" and given.items is not None:
        for at, item in enumerate(value):
            yield from _misfits(item, given.items, f"{path}[{at}]")
    elif given.type == "map" and given.values is not None:
        for key, item in value.items():
            yield from _misfits(item, given.values, f"{path}.{key}")
    elif given.type == "object" and given.properties is not None:
        yield from _members(value, {member.name: member for member in given.properties}, path)


def _members(
    value: dict[Any, Any], members: dict[str, Column], path: str
) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if name in members:
            yield from _misfits(item, members[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}", item
    for name, member in members.items():
        if name not in value and member.required:
            yield f"{path}.{name}", None


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _PYTHON_TYPES[kind])


def _is_allowed(value: Any, given: Column | Element | Param) -> bool:
    if given.enum is not None and value not in given.enum:
        return False
    if not isinstance(value, int | float):
        return True
    low = given.minimum is None or value >= given.minimum
    return low and (given.maximum is None or value <= given.maximum)
