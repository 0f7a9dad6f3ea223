"""Which lists of a spec are added to by each layer, instead of being replaced as a whole.

A field says so itself: `env: Annotated[tuple[EnvironmentVariable, ...], Merged("name")]`. Overlays,
the schema, the reference and `explain` all follow that mark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel

from servestack.spec.document import DataPath

REPLACE = "replace"
"""The key by which an override replaces a list: `egress: {replace: [...]}`."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Marks a list whose entries each layer adds to those of the layers below it.

    `key` is the field that identifies an entry: one with the same key replaces the weaker layer's.
    Without a key an entry is identified by all that it holds, so that it is listed once.
    """

    key: str = ""

    def identity(self, entry: Any) -> str:
        """Return what identifies an entry, as text."""
        if self.key and isinstance(entry, Mapping):
            entry = entry.get(self.key)
        return json.dumps(entry, sort_keys=True, default=str)


@lru_cache
def merged_lists(
    model: type[BaseModel], around: tuple[type[BaseModel], ...] = ()
) -> dict[DataPath, Merged]:
    """Return the marked lists of a section and of the sections in it, by their paths.

    A list within an entry of a list is never marked: the entry is replaced as a whole. `around` are
    the sections around this one: one that holds itself, as a graph's node, is not looked into.
    """
    found: dict[DataPath, Merged] = {}
    for name, info in model.model_fields.items():
        here = info.alias or name
        mark = next((mark for mark in info.metadata if isinstance(mark, Merged)), None)
        if mark is not None:
            found[(here,)] = mark
            continue
        for section in _sections(info.annotation):
            if section in (*around, model):
                continue
            below = merged_lists(section, (*around, model))
            found |= {(here, *path): inner for path, inner in below.items()}
    return found


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a field may be, but not those in a list or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType):
        return [found for argument in get_args(annotation) for found in _sections(argument)]
    return []


def is_replacement(value: Any) -> TypeGuard[Mapping[str, list[Any]]]:
    """Whether an override writes a list as `{replace: [...]}`."""
    return isinstance(value, Mapping) and set(value) == {REPLACE} and _is_list(value[REPLACE])


def without_replacements(
    model: type[BaseModel], overlay: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[DataPath, ...]]:
    """Return an overlay with plain lists, and the paths of the lists that it replaces."""
    replaced: list[DataPath] = []

    def plain(value: Any, path: DataPath) -> Any:
        if path in lists and is_replacement(value):
            replaced.append(path)
            return value[REPLACE]
        if isinstance(value, Mapping):
            return {key: plain(inner, (*path, key)) for key, inner in value.items()}
        return value

    lists = merged_lists(model)
    return plain(overlay, ()), tuple(replaced)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
