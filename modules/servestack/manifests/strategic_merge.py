"""Kubernetes' strategic merge of a patch into an object, as `kubectl patch` does it.

The rules are those of k8s.io/apimachinery/pkg/util/strategicpatch: mappings are merged, null removes
a field, and a list with a merge key is merged item by item (containers by name, ports by
containerPort); every other list is replaced. The keys come from Kubernetes' OpenAPI through
tools/schemas/bundle.py. Kubernetes has none for custom resources: their patch is a JSON merge patch
(RFC 7386), which is the same without merged lists.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from servestack.manifests.manifest import Body

_SAME_PODS = {"Rollout": "Deployment"}
"""A Rollout's pods are a Deployment's: a patch of a container must not replace the others."""
_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"

Path = tuple[str | int, ...]


class MergeError(ValueError):
    """A patch that cannot be merged. `path` is the place in the patch."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@cache
def _merge_keys() -> dict[str, dict[str, str]]:
    """Kind → field with dots → key of its items; an empty key for a list of plain values."""
    keys: dict[str, dict[str, str]] = json.loads(
        (files("servestack.manifests") / "merge_keys.json").read_text(encoding="utf-8")
    )
    return keys


def merge_key(kind: str, field: str) -> str | None:
    """The key by which items of a list are merged; empty for plain values, None if it is replaced.

    `field` is the list's place in the object: `spec.template.spec.containers`.
    """
    return _merge_keys().get(_SAME_PODS.get(kind, kind), {}).get(field)


def merge_patch(body: Body, patch: Body) -> Body:
    """Return an object with a patch merged into it; both stay as they are. Raises MergeError."""
    merger = _Merger(_merge_keys().get(_SAME_PODS.get(kind := str(body["kind"]), kind)))
    return merger.mapping(body, patch, "", ())


class _Merger:
    """Merges into one kind of object. Without `keys` it is a kind that has no strategic merge."""

    def __init__(self, keys: dict[str, str] | None) -> None:
        self._keys = keys

    def mapping(self, original: Body, patch: Body, field: str, path: Path) -> Body:
        """Merge two mappings. `field` is their place in the object, `path` that in the patch."""
        if _DIRECTIVE in patch:
            return self._replaced(patch, path)
        self._refuse_directives(patch, path)
        result = _retained(original, patch, path) if _RETAIN in patch else dict(original)
        ordered = {key.removeprefix(_ORDER) for key in patch if key.startswith(_ORDER)}
        for key, value in patch.items():
            name = key.partition("/")[2] if key.startswith(_DELETE_FROM) else key
            here = (*path, key)
            if key == _RETAIN or key.startswith(_ORDER):
                continue
            if key.startswith(_DELETE_FROM):
                if isinstance(result.get(name), list):
                    result[name] = [item for item in result[name] if not _in(item, value)]
            elif value is None:
                result.pop(name, None)
            elif type(value) is not type(result.get(name)) or not isinstance(value, (dict, list)):
                if not _is_directive(value):
                    result[name] = _clean(value)
                else:
                    result.pop(name, None)
            elif isinstance(value, dict):
                result[name] = self.mapping(result[name], value, _joined(field, name), here)
            elif name not in ordered:
                result[name] = self._list(result[name], value, _joined(field, name), here)
        for name in ordered:
            self._reorder(result, original, patch, name, _joined(field, name), path)
        return result

    def _replaced(self, patch: Body, path: Path) -> Body:
        self._refuse_directives(patch, path)
        directive = patch[_DIRECTIVE]
        if directive == "delete":
            return {}
        if directive == "replace":
            result: Body = _clean({k: v for k, v in patch.items() if k != _DIRECTIVE})
            return result
        raise MergeError((*path, _DIRECTIVE), "must be delete or replace")

    def _refuse_directives(self, patch: Body, path: Path) -> None:
        for key in patch if self._keys is None else ():
            if key.startswith("$"):
                raise MergeError(
                    (*path, key), "has no meaning here: lists of this kind are replaced"
                )

    def _list(self, original: list[Any], patch: list[Any], field: str, path: Path) -> list[Any]:
        key = (self._keys or {}).get(field)
        if key is None or not (original or patch):
            result: list[Any] = _clean(patch)
            return result
        if key:
            _require_key(patch, key, path)
        elif any(isinstance(item, (dict, list)) for item in patch):
            raise MergeError(path, "must hold plain values only")
        if not key:
            merged = [*original, *(item for item in patch if not _in(item, original))]
            return _in_order(merged, patch, original, "")
        kept = list(original)
        for item in patch:
            if _DIRECTIVE in item:
                kept = [other for other in kept if not _same(other.get(key), item.get(key))]
        wanted = [item for item in patch if _DIRECTIVE not in item]
        if any(item.get(_DIRECTIVE) == "replace" for item in patch):
            return [_clean(item) for item in wanted]
        merged = list(kept)
        for index, item in enumerate(patch):
            if _DIRECTIVE in item:
                continue
            place = _index(merged, item, key)
            if place < 0:
                merged.append(_clean(item))
            else:
                merged[place] = self.mapping(merged[place], item, field, (*path, index))
        return _in_order(merged, wanted, kept, key)

    def _reorder(
        self, result: Body, original: Body, patch: Body, name: str, field: str, path: Path
    ) -> None:
        """Carry out `$setElementOrder/<name>`: its order wins over the patch's and the object's."""
        order, here = patch[_ORDER + name], (*path, _ORDER + name)
        key = (self._keys or {}).get(field)
        if key is None or not isinstance(order, list):
            raise MergeError(here, "orders a list that is merged by a key or by its values")
        if key:
            _require_key(order, key, here)
        wanted = patch.get(name) or []
        kept = [item for item in wanted if not _is_directive(item)]
        places = [_index(order, item, key) for item in kept]
        if -1 in places or places != sorted(places):
            raise MergeError(here, "must name every item of the patch, in the patch's order")
        if name in patch and name in original:
            result[name] = self._list(original[name], wanted, field, (*path, name))
        if isinstance(result.get(name), list):
            result[name] = _in_order(result[name], order, original.get(name) or [], key)


def _require_key(items: list[Any], key: str, path: Path) -> None:
    for index, item in enumerate(items):
        here = (*path, index)
        if not isinstance(item, dict):
            raise MergeError(here, f"must be a mapping with {key}, by which the items are merged")
        directive = item.get(_DIRECTIVE)
        if directive not in (None, "delete", "replace"):
            raise MergeError((*here, _DIRECTIVE), "must be delete or replace")
        if key not in item and directive != "replace":
            raise MergeError(here, f"needs {key}, by which the items of this list are merged")


def _retained(original: Body, patch: Body, path: Path) -> Body:
    keys = patch[_RETAIN]
    if not isinstance(keys, list):
        raise MergeError((*path, _RETAIN), "must be a list of fields")
    for name, value in patch.items():
        if name != _RETAIN and "/" not in name and value is not None and name not in keys:
            raise MergeError((*path, name), f"is not in {_RETAIN}")
    return {name: value for name, value in original.items() if name in keys}


def _in_order(items: list[Any], wanted: list[Any], original: list[Any], key: str) -> list[Any]:
    """Items of the patch in its order, the others in theirs; each of these before the first item of
    the patch that follows it in the object."""
    ours = sorted(
        (item for item in items if _index(wanted, item, key) >= 0),
        key=lambda item: _index(wanted, item, key),
    )
    others = [item for item in items if _index(wanted, item, key) < 0]
    result: list[Any] = []
    while ours and others:
        left, right = _index(original, others[0], key), _index(original, ours[0], key)
        result.append((others if 0 <= left < right else ours).pop(0))
    return [*result, *ours, *others]


def _index(items: list[Any], item: Any, key: str) -> int:
    wanted = item.get(key) if key and isinstance(item, dict) else item
    for index, other in enumerate(items):
        if _same(other.get(key) if key and isinstance(other, dict) else other, wanted):
            return index
    return -1


def _in(item: Any, items: Any) -> bool:
    return isinstance(items, list) and _index(items, item, "") >= 0


def _same(one: Any, other: Any) -> bool:
    """Whether two keys are equal; 1 and true are not."""
    return type(one) is type(other) and bool(one == other)


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and _DIRECTIVE in value


def _clean(value: Any) -> Any:
    """A value of a patch as a new value of an object: without nulls and directives."""
    if isinstance(value, dict):
        return {
            key: _clean(inner)
            for key, inner in value.items()
            if inner is not None and not _is_directive(inner) and not key.startswith("$")
        }
    if isinstance(value, list):
        return [_clean(item) for item in value if item is not None and not _is_directive(item)]
    return value


def _joined(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
