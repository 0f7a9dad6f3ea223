"""Looks changes up in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

from servestack.manifests.kinds import WORKLOADS
from servestack.manifests.manifest import Body, Manifest
from servestack.review.diff import Change, Path, path_text
from servestack.review.effects import (
    access,
    objects,
    pods,
    rollouts,
    settings,
    shadow,
    shipping,
    vanishing,
)
from servestack.review.effects.table import ANY_PODS, Effect, Row, in_order
from servestack.review.nested_text import parsed_text
from servestack_contract.settings import FILE

_ROWS: tuple[Row, ...] = tuple(
    row
    for table in (
        settings.ROWS,
        shipping.ROWS,
        rollouts.ROWS,
        access.ROWS,
        pods.ROWS,
        vanishing.ROWS,
        shadow.ROWS,
    )
    for row in table
)
_MAX_FIELDS = 2_000
"""Fields of an added or removed section that are looked up. No section that we make has more."""


def effects_of(
    change: Change, old: Body | None = None, new: Body | None = None
) -> tuple[Effect, ...]:
    """The consequences of one change, the most important first.

    `old` and `new` are the whole object, where it existed before and still does.
    """
    body = new or old or change.new or change.old
    if shadow.is_of_shadow(body):
        if not change.path:
            return shadow.whole_object(change, body)
        return shadow.as_shadow(_of_change(change, old, new))
    found = _of_change(change, old, new)
    return rollouts.as_rollout(found) if change.object.kind == "Rollout" else found


def _of_change(change: Change, old: Body | None, new: Body | None) -> tuple[Effect, ...]:
    if not change.path:
        return in_order((*_of_new_object(change), *objects.whole_object(change)))
    where, inside = _place(change)
    found = _looked_up(where, replace(change, path=inside))
    if where in access.WHOLE and old is not None and new is not None:
        found += access.WHOLE[where](change, old, new)
    said = bool(found)
    if change.operation == "add" or (not found and change.operation != "move"):
        # A section that is added or removed as a whole: its fields have rows as well. Where the
        # section has words of its own, only those that hold for new things add to them.
        for inner in islice(_fields_below(replace(change, path=inside)), _MAX_FIELDS):
            found += _looked_up(where, inner, for_new=said)
    # The tables say what a change means; the general words add only that pods restart for it.
    general = objects.general(change)
    restarts = [effect for effect in general if effect.category == "restart"]
    return in_order((*found, *restarts) if found else general)


def effects_together(changes: Sequence[Change], new: Iterable[Manifest]) -> tuple[Effect, ...]:
    """The consequences of a model's changes that no object shows by itself.

    `new` are the model's manifests as they become.
    """
    found = tuple(objects.autoscaler_replaced(changes))
    if not access.opens_a_door(changes):
        return found
    files = (m.body.get("data") or {} for m in new if m.kind == "ConfigMap")
    text = next((data[FILE] for data in files if FILE in data), "")
    parsed = parsed_text(FILE, text)
    return (*found, *access.with_door(parsed)) if isinstance(parsed, dict) else found


def _looked_up(where: str, change: Change, *, for_new: bool = False) -> list[Effect]:
    field = path_text(change.path)
    rows = _rows_for(where, for_new=for_new, pods=change.path[:2] == ("spec", "template"))
    return [effect for row in rows for effect in row.effects(where, field, change)]


@cache
def _rows_for(where: str, *, for_new: bool, pods: bool) -> tuple[Row, ...]:
    """The rows of a place, so that the thousand fields of a dashboard are not held against all."""
    places = ("*", where, ANY_PODS) if pods else ("*", where)
    if where in WORKLOADS:
        places = (*places, *WORKLOADS)
    return tuple(row for row in _ROWS if row.where in places and (row.for_new or not for_new))


def _has_pods(body: Any) -> bool:
    spec = body.get("spec") if isinstance(body, dict) else None
    return isinstance(spec, dict) and "template" in spec


def _of_new_object(change: Change) -> Iterator[Effect]:
    """What a reviewer must know of a new object: the rows that hold for new ones."""
    if change.operation != "add":
        return
    for where, text in _parts(change.object.kind, change.new):
        rows = _rows_for(where, for_new=True, pods=_has_pods(text))
        value = _content(where, text) if rows else None
        if value is None:
            continue
        for inner in islice(_fields_below(replace(change, new=value)), _MAX_FIELDS):
            field = path_text(inner.path)
            for row in rows:
                yield from row.effects(where, field, inner)


def _parts(kind: str, body: Body) -> Iterator[tuple[str, Any]]:
    """(place, content) of an object itself and of every file that it holds."""
    if kind != "ConfigMap":
        yield kind, body
    else:
        yield from (body.get("data") or {}).items()


def _content(where: str, value: Any) -> Any:
    """An object, or the data in a file's text; None where it has none."""
    return parsed_text(where, value) if isinstance(value, str) else value


def _place(change: Change) -> tuple[str, Path]:
    """The kind of the object and the path in it, or the name of a file and the path in the file."""
    if change.object.kind == "ConfigMap" and change.path[0] == "data" and len(change.path) > 2:
        return str(change.path[1]), change.path[2:]
    return change.object.kind, change.path


def _fields_below(change: Change) -> Iterator[Change]:
    """Every field below an added or removed section, as a change of its own."""
    for at, value in _items(change.old):
        inner = replace(change, operation="remove", path=(*change.path, at), old=value, new=None)
        yield inner
        yield from _fields_below(inner)
    for at, value in _items(change.new):
        inner = replace(change, operation="add", path=(*change.path, at), old=None, new=value)
        yield inner
        yield from _fields_below(inner)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
