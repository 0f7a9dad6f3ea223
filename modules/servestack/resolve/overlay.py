"""Merges the layers of a spec: environment's defaults < spec < environment's overrides.

Mappings are merged key by key, everything else is replaced as a whole. Some fields exclude each
other: a layer that sets only `replicas` removes the `autoscaling` of the layers below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from servestack.errors import Location
from servestack.resolve.provenance import Origin, Path, Provenance
from servestack.spec.document import Document

_ALTERNATIVES = (("replicas", "autoscaling"), ("artifact", "models"))
_WHOLE = {("graph",), ("api", "input", "example"), ("api", "input", "tensor")}


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
    origins: dict[Path, tuple[Origin, ...]] = {}
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
    target: dict[str, Any],
    data: Mapping[str, Any],
    path: Path,
    layer: Layer,
    origins: dict[Path, tuple[Origin, ...]],
) -> None:
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, Mapping) and value and here not in _WHOLE:
            inner = target.get(key)
            if not isinstance(inner, dict):
                _hide(origins, here)
                inner = target[key] = {}
            _merge_into(inner, value, here, layer, origins)
            continue
        _hide(origins, here)
        target[key] = value
        origins[here] = (*origins.get(here, ()), Origin(layer.name, value, here, layer.location))


def _hide(origins: dict[Path, tuple[Origin, ...]], path: Path) -> None:
    """Mark everything that the layers so far set at or below a path as replaced."""
    for written in [w for w in origins if w[: len(path)] == path]:
        origins[written] = tuple(replace(origin, hidden=True) for origin in origins[written])


def leaves(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value) of everything that is not a mapping with content."""
    if isinstance(data, Mapping) and data and path not in _WHOLE:
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, data
