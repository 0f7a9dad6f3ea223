"""What differs between two sets of manifests: an immutable sequence of changes.

Objects are identified by kind, namespace and name, items of lists by Kubernetes' own keys, so
that an inserted environment variable is one change. Text that is itself JSON or YAML (a dashboard,
filebeat.yml) is compared by its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from servestack.manifests.manifest import Body, Manifest
from servestack.review.list_keys import key_of, label
from servestack.review.nested_text import parsed_text

Operation = Literal["add", "remove", "change", "move"]
PathPart = str | int
Path = tuple[PathPart, ...]


class Key(str):
    """A part of a path that stands for an item of a list: `[server]`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What identifies an object. The API's version is not part of it."""

    group: str
    api_group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. An added or removed object has an empty path and its body as value."""

    operation: Operation
    object: ObjectKey
    path: Path
    old: Any = None
    new: Any = None

    @property
    def field(self) -> str:
        """The path as text: `spec.template.spec.containers[server].env[LOG_LEVEL].value`."""
        return path_text(self.path)


def path_text(path: Path) -> str:
    """A path in the notation of the reports."""
    text = ""
    for part in path:
        if not isinstance(part, str) or isinstance(part, Key) or "." in part or "/" in part:
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def key_of_manifest(manifest: Manifest) -> ObjectKey:
    """The key of a manifest's object."""
    api_group = manifest.api_version.rpartition("/")[0]
    return ObjectKey(manifest.group, api_group, manifest.kind, manifest.namespace, manifest.name)


def compare(old: Iterable[Manifest], new: Iterable[Manifest]) -> tuple[Change, ...]:
    """All changes from old to new, by model, then object, then field."""
    before = {key_of_manifest(manifest): manifest.body for manifest in old}
    after = {key_of_manifest(manifest): manifest.body for manifest in new}
    changes: list[Change] = []
    for key in sorted(before.keys() | after.keys(), key=_reading_order):
        if key not in before:
            changes.append(Change("add", key, (), None, after[key]))
        elif key not in after:
            changes.append(Change("remove", key, (), before[key], None))
        else:
            changes += compare_bodies(key, before[key], after[key])
    return tuple(changes)


def _reading_order(key: ObjectKey) -> tuple[str, ...]:
    return (key.group, key.kind, key.name, key.namespace, key.api_group)


def compare_bodies(key: ObjectKey, old: Body, new: Body) -> Iterator[Change]:
    """The changes between two versions of one object."""
    for operation, path, before, after in _differences(old, new, ()):
        yield Change(operation, key, path, before, after)


Difference = tuple[Operation, Path, Any, Any]
"""Operation, path, old and new value."""


def compare_data(old: Any, new: Any) -> Iterator[Difference]:
    """The differences between two pieces of plain data."""
    yield from _differences(old, new, ())


def _differences(old: Any, new: Any, path: Path) -> Iterator[Difference]:
    if _same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _mapping_differences(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(old, new, path)
    elif isinstance(old, str) and isinstance(new, str) and _holds_text(path):
        yield from _text_differences(old, new, path)
    else:
        yield ("change", path, old, new)


def _same(old: Any, new: Any) -> bool:
    """Whether values and types are equal: 1, 1.0 and true differ. A NaN equals itself here."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return len(old) == len(new) and all(
            key in new and _same(value, new[key]) for key, value in old.items()
        )
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new) or repr(old) == repr(new)


def _mapping_differences(
    old: dict[str, Any], new: dict[str, Any], path: Path
) -> Iterator[Difference]:
    for name in [*old, *(name for name in new if name not in old)]:
        here = (*path, name)
        if name not in new:
            yield ("remove", here, old[name], None)
        elif name not in old:
            yield ("add", here, None, new[name])
        else:
            yield from _differences(old[name], new[name], here)


def _list_differences(old: list[Any], new: list[Any], path: Path) -> Iterator[Difference]:
    name = str(path[-1]) if path else ""
    fields = key_of(name, old, new)
    if fields:
        yield from _keyed_differences(old, new, path, fields)
        return
    matcher = SequenceMatcher(a=[_hashable(i) for i in old], b=[_hashable(i) for i in new])
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        paired = min(a2 - a1, b2 - b1)
        for offset in range(paired):
            yield from _differences(old[a1 + offset], new[b1 + offset], (*path, b1 + offset))
        for index in range(a1 + paired, a2):
            yield ("remove", (*path, index), old[index], None)
        for index in range(b1 + paired, b2):
            yield ("add", (*path, index), None, new[index])


def _keyed_differences(
    old: list[Any], new: list[Any], path: Path, fields: tuple[str, ...]
) -> Iterator[Difference]:
    before = {label(item, fields): item for item in old}
    after = {label(item, fields): item for item in new}
    for name in [*before, *(name for name in after if name not in before)]:
        here = (*path, Key(name))
        if name not in after:
            yield ("remove", here, before[name], None)
        elif name not in before:
            yield ("add", here, None, after[name])
        else:
            yield from _differences(before[name], after[name], here)
    kept_before = [name for name in before if name in after]
    kept_after = [name for name in after if name in before]
    if kept_before != kept_after and path[-1] in _ORDERED:
        yield ("move", path, kept_before, kept_after)


_ORDERED = {"initContainers", "rules", "env", "panels", "paths", "columns"}
"""Keyed lists whose order matters: items are started, evaluated, expanded or shown in turn."""


def _hashable(value: Any) -> str:
    """A text that is the same for the same data; a mapping's order does not count."""
    if isinstance(value, dict):
        items = sorted((repr(key), _hashable(inner)) for key, inner in value.items())
        return f"{{{', '.join(f'{key}: {inner}' for key, inner in items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_hashable(item) for item in value)}]"
    return repr(value)


def _holds_text(path: Path) -> bool:
    return len(path) == 2 and path[0] == "data"


def _text_differences(old: str, new: str, path: Path) -> Iterator[Difference]:
    """Compare a value of a ConfigMap by its fields where it is JSON or YAML, else by its lines."""
    before, after = parsed_text(str(path[-1]), old), parsed_text(str(path[-1]), new)
    inside = [] if before is None or after is None else list(_differences(before, after, path))
    if inside:
        yield from inside
        return
    was, now = old.splitlines(), new.splitlines()
    # A private key is masked as a whole: a single line of it does not look like one.
    if was == now or (len(was) <= 1 and len(now) <= 1) or "PRIVATE KEY--" in old + new:
        yield ("change", path, old, new)
        return
    for operation, at, before_line, after_line in _list_differences(was, now, ()):
        number = Key(f"line {int(at[0]) + 1}")
        yield (operation, (*path, number), before_line, after_line)
