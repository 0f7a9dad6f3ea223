"""Turns pydantic's errors into Problems: the field, what is wrong, what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from servestack.errors import Problem
from servestack.secrets.names import tells_secret
from servestack.secrets.search import masked_value
from servestack.spec.base import fields_of
from servestack.spec.document import DataPath, dotted
from servestack.spec.patterns import words_for
from servestack.words import counted

_TYPE_WORDS = {
    "string_type": ("text", "quote it if it looks like a number"),
    "int_type": ("a whole number", ""),
    "int_from_float": ("a whole number", ""),
    "float_type": ("a number", ""),
    "bool_type": ("true or false", "write `true` or `false`"),
    "dict_type": ("a mapping", "write indented `key: value` lines"),
    "model_type": ("a mapping", "write indented `key: value` lines"),
    "model_attributes_type": ("a mapping", "write indented `key: value` lines"),
    "tuple_type": ("a list", "write `- item` lines or [a, b]"),
    "list_type": ("a list", "write `- item` lines or [a, b]"),
}


def path_in_data(loc: tuple[int | str, ...], data: Any) -> DataPath:
    """Return pydantic's `loc` without the tags of unions, which are not in the user's file."""
    path: list[str | int] = []
    here = data
    for index, part in enumerate(loc):
        if _holds(here, part):
            here = here[part]
        elif part == "[key]":
            break  # pydantic marks a mapping's key that is not valid like this
        elif index < len(loc) - 1 or not isinstance(here, Mapping):
            continue
        path.append(part)
    return tuple(path)


def _holds(here: Any, part: str | int) -> bool:
    if isinstance(here, Mapping):
        return part in here
    return isinstance(here, (list, tuple)) and isinstance(part, int) and part < len(here)


def describe(error: ErrorDetails, path: DataPath, data: Any, root: type[BaseModel]) -> Problem:
    """Turn one pydantic error into a Problem without a location.

    `path` is the field, `data` is what `root` was to validate.
    """
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    field = dotted(path)
    if _is_place_of_secret(path, root, data):
        # The schema's own words may quote the value too.
        value = _Hidden(value)
        error = {**error, "msg": "is not allowed"}
    if kind == "extra_forbidden":
        known = known_fields(root, path[:-1], data)
        near = get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"known fields: {', '.join(known)}"
        return Problem("SRV111", "unknown field", field=field, hint=hint)
    if kind == "missing":
        return Problem("SRV112", "is required", field=field, hint=_example_of(root, path, data))
    if kind in _TYPE_WORDS:
        wanted, hint = _TYPE_WORDS[kind]
        given = value.value if isinstance(value, _Hidden) else value
        if isinstance(given, str) and wanted.endswith("number") and given.strip("-").isdigit():
            hint = "write it without quotes"
        if "secret" in known_fields(root, path, data):
            hint = "refer to a Secret: {secret: <its name>}"
        return Problem("SRV113", f"must be {wanted}, not {shown(value)}", field=field, hint=hint)
    if kind in ("literal_error", "enum"):
        return _not_a_choice(str(context.get("expected", "")), value, field)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        expected = str(context.get("expected_tags", "'ingress', 'gateway'"))
        return _not_a_choice(expected, value, f"{field}.kind", told=kind == "union_tag_invalid")
    if kind == "string_pattern_mismatch":
        hint = f"write {words_for(context['pattern'])}"
        given = "the value" if isinstance(value, _Hidden) else shown(value)
        return Problem("SRV115", f"{given} is not allowed", field=field, hint=hint)
    bound = _bound(kind, context, value)
    if bound:
        return Problem("SRV114", bound, field=field)
    return Problem("SRV115", error["msg"], field=field, hint=str(context.get("hint", "")))


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A value that no message may quote, because a secret is likely to stand in its place."""

    value: Any


def _is_place_of_secret(path: DataPath, root: type[BaseModel], data: Any) -> bool:
    """Return whether a secret may stand at a path, instead of the reference that belongs there."""
    if "env" in path[:-1] and path[-1] != "name":
        return True
    if path[-1:] == ("key",) and "secret" in known_fields(root, path[:-1], data):
        return True
    names = [part for part in path if isinstance(part, str)]
    return any(map(tells_secret, [*names, *known_fields(root, path, data)]))


def _bound(kind: str, context: dict[str, Any], value: Any) -> str:
    """Return the message for a value outside its bounds, or "" for other kinds of error."""
    match kind:
        case "greater_than_equal":
            return f"{shown(value)} is below the minimum, {context['ge']}"
        case "greater_than":
            return f"must be above {context['gt']:g}, not {shown(value)}"
        case "less_than_equal":
            return f"{shown(value)} is above the maximum, {context['le']}"
        case "less_than":
            return f"must be below {context['lt']}, not {shown(value)}"
        case "too_short":
            return f"needs at least {counted(context['min_length'], 'item')}, not {context['actual_length']}"
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            given = value.value if isinstance(value, _Hidden) else value
            length = len(given) if isinstance(given, str) else "more"
            return f"is {length} characters long; at most {context['max_length']} are allowed"
        case "finite_number":
            return "must be a finite number"
        case _:
            return ""


def _not_a_choice(expected: str, value: Any, field: str, *, told: bool = True) -> Problem:
    choices = [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]
    given = value.get("kind") if isinstance(value, Mapping) else value
    near = get_close_matches(str(given), choices, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"write one of {', '.join(choices)}"
    if len(choices) == 1:
        hint = f"write {choices[0]}"
    message = f"{shown(given)} is not an allowed value" if told else "is required"
    return Problem("SRV116", message, field=field, hint=hint)


def shown(value: Any) -> str:
    """Format a value for a message: shortened, and a container or a secret only as its type."""
    if isinstance(value, _Hidden):
        return _kind_of(value.value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(masked_value(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def quoted(value: Any, name: str) -> str:
    """Return a value of the field `name` as Python writes it; not where the name tells a secret."""
    if tells_secret(name):
        return "the value"
    return repr(masked_value(value) if isinstance(value, str) else value)


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "text" if value else "an empty text"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "a number"
    return shown(value)


def known_fields(root: type[BaseModel], path: DataPath, data: Any) -> list[str]:
    """Return the keys that are allowed at a path, in the order of the reference."""
    models: list[type[BaseModel]] = [root]
    here = data
    for part in path:
        here = here[part] if _holds(here, part) else None
        if isinstance(part, int):
            continue
        models = [nested for model in models for nested in _nested(model, part)]
    kind = here.get("kind") if isinstance(here, Mapping) else None
    if len(models) > 1 and kind is not None:
        tagged = [m for m in models if kind in get_args(fields_of(m)["kind"].annotation)]
        models = tagged or models
    return list(dict.fromkeys(name for model in models for name in fields_of(model)))


def _nested(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """Return the models that the field `key` may hold, at any depth of unions and lists."""
    info = fields_of(model).get(key)
    return models_in(info.annotation) if info else []


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in an annotation, at any depth of unions and lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in models_in(argument)]


def _example_of(root: type[BaseModel], path: DataPath, data: Any) -> str:
    """Return the hint `write name: …`, with the field's description."""
    if len(path) == 1 and (info := fields_of(root).get(str(path[0]))):
        choice = get_args(info.annotation)
        value = choice[0] if len(choice) == 1 and isinstance(choice[0], str) else "…"
        return f"write `{path[0]}: {value}`. {info.description or ''}".rstrip()
    return f"write `{path[-1]}: …`" if path else ""
