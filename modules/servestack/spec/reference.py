"""Writes the reference of the spec from the types: docs/reference/*.md and `explain FIELD`."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from servestack.errors import Problem, SpecError
from servestack.spec.base import fields_of
from servestack.spec.environment import Environment
from servestack.spec.folder import FOLDER_FILE, Folder
from servestack.spec.merging import Merged
from servestack.spec.model_service import ModelService
from servestack.spec.problems import known_fields

PAGES: dict[str, type[BaseModel]] = {
    "model-service": ModelService,
    "environment": Environment,
    "folder": Folder,
}
_PLACES = {
    "model-service": "models/<name>.yaml",
    "environment": "stacks/<name>.yaml",
    "folder": f"models/<folder>/{FOLDER_FILE}",
}

Row = tuple[str, str, str, str]
"""Field, type, default, description."""


def reference_page(kind: str) -> str:
    """Return one page of the reference as Markdown: a table of every field, sections in order.

    `kind` is a key of PAGES.
    """
    model = PAGES[kind]
    lines = [
        f"# {model.__name__}",
        "",
        f"{(model.__doc__ or '').strip()} File: `{_PLACES[kind]}`. Written by `tools/docs.py` from "
        f"`servestack.spec`; the schema for editors is `docs/schema/{kind}.json`.",
        "",
        "| field | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for field, kind_of, default, meaning in rows(model):
        cells = (f"`{field}`", kind_of, f"`{default}`" if default else "", meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def describe_field(field: str) -> str:
    """Return a description of a field of the spec, such as `autoscaling`, and the fields below it.

    Raises SpecError (SRV151) if there is no such field.
    """
    found = [row for row in rows(ModelService) if row[0] == field or row[0].startswith(f"{field}.")]
    if not found:
        known = ", ".join(known_fields(ModelService, (), {}))
        raise SpecError(
            Problem("SRV151", f"there is no field {field}", hint=f"known fields: {known}")
        )
    return "".join(
        f"{name} ({kind}{f', default {default}' if default else ''})\n    {meaning}\n"
        for name, kind, default, meaning in found
    )


def rows(
    model: type[BaseModel],
    prefix: str = "",
    seen: tuple[type, ...] = (),
    once: set[type] | None = None,
) -> Iterator[Row]:
    """Yield every field of a model and of the models in it.

    `seen` are the models around this one. Recursive types are listed once; `once` holds those that
    are.
    """
    once = set() if once is None else once
    for name, info in fields_of(model).items():
        field = f"{prefix}{name}"
        yield field, type_words(info.annotation), _default(info), _meaning(info)
        below = _nested(info.annotation)
        told = (*seen, model, *(nested for nested, _ in below))
        for nested, suffix in below:
            if nested in seen or nested in once:
                continue
            if _holds_itself(nested):
                once.add(nested)
            yield from rows(nested, f"{field}{suffix}.", told, once)


def _meaning(info: FieldInfo) -> str:
    """Return a field's description, and how layers add to it if it is such a list."""
    mark = next((mark for mark in info.metadata if isinstance(mark, Merged)), None)
    if mark is None:
        return info.description or ""
    same = f"; one with the same `{mark.key}` replaces theirs" if mark.key else ""
    return (
        f"{info.description or ''} Each layer adds its entries to those of the weaker ones{same}."
    )


def _holds_itself(model: type[BaseModel]) -> bool:
    waiting, found = [model], set[type]()
    while waiting:
        fields = fields_of(waiting.pop()).values()
        inside = {nested for info in fields for nested, _ in _nested(info.annotation)}
        waiting += inside - found
        found |= inside
    return model in found


def _nested(annotation: Any) -> list[tuple[type[BaseModel], str]]:
    """Return the models in an annotation, each with `[]` if it is an item of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, "")]
    inside = [found for argument in get_args(annotation) for found in _nested(argument)]
    if get_origin(annotation) is tuple:
        return [(model, f"[]{suffix}") for model, suffix in inside]
    return inside


def type_words(annotation: Any) -> str:
    """Describe a type in plain words: `whole number`, `list of text`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(arguments[0])
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments).replace("\\|", "or")
    if origin in (Union, types.UnionType):
        words = [type_words(argument) for argument in arguments if argument is not type(None)]
        nullable = " or null" if type(None) in arguments else ""
        return " or ".join(dict.fromkeys(words)) + nullable
    if origin is tuple:
        return f"list of {type_words(arguments[0])}"
    if origin is dict:
        return "mapping"
    if annotation is Any:
        return "anything"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(info: FieldInfo) -> str:
    default = info.default
    if default is PydanticUndefined:
        return "required"
    if default is None or isinstance(default, BaseModel) or default in ((), {}):
        return ""
    return json.dumps(default, ensure_ascii=False) if not isinstance(default, str) else default
