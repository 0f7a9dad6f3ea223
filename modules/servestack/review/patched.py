"""Which fields of an object come from a patch, and where the patch is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from servestack.errors import Location
from servestack.manifests.manifest import Manifest
from servestack.manifests.strategic_merge import merge_key
from servestack.review.diff import Path, compare_data
from servestack.review.list_keys import key_of, label


def patched_fields(manifest: Manifest) -> Iterator[tuple[Path, Location]]:
    """Yield every field that patches changed in a manifest, and the line that changed it last."""
    if manifest.unpatched is not None:
        for _, path, _, _ in compare_data(manifest.unpatched, manifest.body):
            place = place_of_patch(manifest, path)
            if place is not None:
                yield path, place


def place_of_patch(manifest: Manifest, path: Path) -> Location | None:
    """The line of the last patch that writes a field of an object; None where no patch does."""
    for patch in reversed(manifest.patches):
        if written := _written(manifest, patch.fields, path):
            return patch.locate(written)
    return None


def _written(manifest: Manifest, patch: Any, path: Path) -> Path:
    """The part of a path that a patch writes, in the patch's own positions; empty for none of it.

    A patch writes a field if it names it, or if it sets or removes what is around it.
    """
    bodies: tuple[Any, ...] = (manifest.body, manifest.unpatched)
    written: list[str | int] = []
    fields: list[str] = []
    for part in path:
        if isinstance(patch, dict):
            if part not in patch:
                return (*written, "$patch") if "$patch" in patch else ()
            patch = patch[part]
            fields.append(str(part))
            written.append(part)
            bodies = tuple(body.get(part) if isinstance(body, dict) else None for body in bodies)
            continue
        if not isinstance(patch, list):
            break
        name, key = fields[-1], merge_key(manifest.kind, ".".join(fields))
        bodies = tuple(_item(body, name, part) for body in bodies)
        if key:
            wanted = [item[key] for item in bodies if isinstance(item, dict) and key in item]
            index = next((i for i, item in enumerate(patch) if item.get(key) in wanted), None)
            if index is None:
                return ()
        else:
            # The patch's list has replaced the object's: an item has the same place in both.
            index = _index(patch, name, part)
            if index is None:
                break
        patch = patch[index]
        written.append(index)
    return tuple(written)


def _item(items: Any, name: str, part: str | int) -> Any:
    """The item of the list `name` that a path means; None where there is none."""
    index = _index(items, name, part) if isinstance(items, list) else None
    return None if index is None else items[index]


def _index(items: list[Any], name: str, part: str | int) -> int | None:
    """The position of an item that a path means: by its position, or by its key in the reports."""
    if isinstance(part, int):
        return part if part < len(items) else None
    keys = key_of(name, items, items)
    return next((i for i, item in enumerate(items) if keys and label(item, keys) == part), None)
