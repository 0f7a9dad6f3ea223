"""Merges the layers of a spec: environment < folders < spec < environment's overrides.

Mappings are merged key by key. The lists that the spec marks as `Merged` are added to entry by
entry. Everything else is replaced as a whole. Some fields exclude each other: a layer that sets
only `replicas` removes the `autoscaling` of the layers below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from servestack.errors import Location
from servestack.resolve.provenance import Origin, Path, Provenance
from servestack.spec.document import Document
from servestack.spec.merging import REPLACE, Merged, is_replacement, merged_lists
from servestack.spec.model_service import ModelService

_ALTERNATIVES = (("replicas", "autoscaling"), ("artifact", "models"))
_WHOLE = {("graph",), ("api", "input", "example"), ("api", "input", "tensor")}
Origins = dict[Path, tuple[Origin, ...]]


@dataclass(frozen=True, slots=True)
class Layer:
    """Some fields of a spec: the part of `document` at the path `prefix`."""

    name: str
    document: Document
    prefix: Path = ()

    @property
    def data(self) -> Mapping[str, Any]:
        """The layer's fields; empty if the document does not have this part."""
        data = self.document.data
        for key in self.prefix:
            data = data.get(key) if isinstance(data, Mapping) else None
        return data if isinstance(data, Mapping) else {}

    def location(self, path: Path) -> Location:
        return self.document.location((*self.prefix, *path))


def merge(layers: Sequence[Layer], file: Location) -> tuple[dict[str, Any], Provenance]:
    """Merge layers, the weakest first. `file` is the place of the spec as a whole.

    Returns the merged data, and the provenance of each of its leaves.
    """
    merged: dict[str, Any] = {}
    origins: Origins = {}
    for layer in layers:
        data = layer.data
        for group in _ALTERNATIVES:
            written = [key for key in group if key in data]
            if len(written) == 1:
                for key in group:
                    if key not in data:
                        merged.pop(key, None)
                        _hide(origins, (key,))
        _merge_into(merged, data, (), layer, origins)
    return merged, Provenance(file, origins)


def _merge_into(
    target: dict[str, Any], data: Mapping[str, Any], path: Path, layer: Layer, origins: Origins
) -> None:
    lists = merged_lists(ModelService)
    for key, value in data.items():
        here = (*path, key)
        if here in lists and (is_replacement(value) or (isinstance(value, list) and value)):
            target[key] = _merge_list(target.get(key), value, here, layer, origins, lists[here])
            continue
        if here in lists and value == [] and target.get(key):
            continue  # It adds nothing.
        if isinstance(value, Mapping) and value and here not in _WHOLE:
            inner = target.get(key)
            if not isinstance(inner, dict):
                _hide(origins, here)
                inner = target[key] = {}
            _merge_into(inner, value, here, layer, origins)
            continue
        _hide(origins, here)
        target[key] = value
        _append(origins, here, Origin(layer.name, value, here, layer.location))


def _merge_list(
    weaker: Any,
    value: list[Any] | Mapping[str, list[Any]],
    here: Path,
    layer: Layer,
    origins: Origins,
    mark: Merged,
) -> list[Any]:
    """Return the weaker layers' entries, followed by those of a layer that they do not have yet."""
    merged, own, entries = list(weaker) if isinstance(weaker, list) else [], here, value
    if is_replacement(value):
        _hide(origins, here)
        merged, own, entries = [], (*here, REPLACE), value[REPLACE]
        if not entries:
            _append(origins, here, Origin(layer.name, [], here, layer.location))
    known = [mark.identity(entry) for entry in merged]
    for index, entry in enumerate(entries):
        identity = mark.identity(entry)
        position = known.index(identity) if identity in known else len(merged)
        merged[position : position + 1] = [entry]
        place = (*here, position)
        _hide(origins, place)
        in_file = _renamed(place, (*own, index))
        _append(origins, place, Origin(layer.name, entry, place, layer.location, in_file))
    return merged


def _renamed(merged: Path, own: Path) -> Callable[[Path], Path]:
    """Return a function that turns paths at or below `merged` into those of the layer's file."""
    size = len(merged)
    return lambda path: (*own, *path[size:]) if path[:size] == merged else path


def _append(origins: Origins, path: Path, origin: Origin) -> None:
    origins[path] = (*origins.get(path, ()), origin)


def _hide(origins: Origins, path: Path) -> None:
    """Mark everything that the layers so far set at or below a path as replaced."""
    for written in [w for w in origins if w[: len(path)] == path]:
        origins[written] = tuple(replace(origin, hidden=True) for origin in origins[written])
