"""Who wrote which field of a live object: its managedFields, read along a path.

fieldsV1 is a tree whose keys are `f:<field>` and `k:{<keys of a list's item>}`; a value that is
owned as a whole is an empty mapping. See "Server-Side Apply" in the Kubernetes documentation.
"""

from __future__ import annotations

import json
from typing import Any

from servestack.manifests.manifest import Body
from servestack.manifests.names import MANAGED_BY
from servestack.review.diff import Key, Path
from servestack.review.list_keys import key_of, label
from servestack.review.summary import Writer

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
FIELD_MANAGER = "servestack"
"""Manager of the dry run where nobody has applied the object server-side yet."""

Entry = dict[str, Any]
_OUR_LABELS = (MANAGED_BY_LABEL, "app.kubernetes.io/part-of")


def applying_manager(live: Body | None) -> str | None:
    """The manager that applied an object last, and so would apply it again; None if nobody did so
    server-side.

    A field disappears only when the manager that set it no longer applies it: `kubectl apply` has
    one name, Pulumi another for each resource. The labels that every object of ours has identify
    the manager.
    """
    applied = [entry for entry in _ours(live or {}) if entry.get("operation") == "Apply"]
    return str(max(applied, key=_time)["manager"]) if applied else None


def foreign_writer(live: Body, desired: Body, path: Path) -> Writer | None:
    """Who wrote the field last, other than the manager that applies it; None if nobody did."""
    ours = _ours(live)
    if any(_owns(entry, live, desired, path) for entry in ours):
        return None
    others = [
        entry for entry in _entries(live) if entry not in ours and _owns(entry, live, desired, path)
    ]
    if not others:
        return None
    last = max(others, key=_time)
    return Writer(str(last.get("manager", "")), _time(last))


def applies_more(live: Body, manager: str, path: Path) -> bool:
    """Whether a manager has applied other fields than this one: an apply of it alone drops them."""
    only: Entry = {}
    for part in reversed(path):
        only = {f"f:{part}": only}
    return any(
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and entry["fieldsV1"] not in ({}, only)
        for entry in _entries(live)
    )


def owned_by_us_alone(live: Body, path: Path) -> bool:
    """Whether the field has an owner, and nobody but the managers that apply the object."""
    owners = [entry for entry in _entries(live) if _owns(entry, live, live, path)]
    ours = _ours(live)
    return bool(owners) and all(entry in ours for entry in owners)


def item_at(items: list[Any], others: list[Any], name: str, key: str) -> int | None:
    """Index of the item that a path's Key names; None if there is none.

    `others` is the list that `items` was compared with.
    """
    fields = key_of(name, items, others)
    labels = [label(item, fields) for item in items] if fields else []
    return labels.index(key) if key in labels else None


def _entries(live: Body) -> list[Entry]:
    entries = live.get("metadata", {}).get("managedFields")
    return [entry for entry in entries or [] if isinstance(entry.get("fieldsV1"), dict)]


def _ours(live: Body) -> list[Entry]:
    labels = live.get("metadata", {}).get("labels") or {}
    set_by_us = {f"f:{label}" for label in _OUR_LABELS if labels.get(label) == MANAGED_BY}
    return [
        entry
        for entry in _entries(live)
        if set_by_us & entry["fieldsV1"].get("f:metadata", {}).get("f:labels", {}).keys()
    ]


def _time(entry: Entry) -> str:
    return str(entry.get("time", ""))


def _owns(entry: Entry, live: Any, desired: Any, path: Path) -> bool:
    owned: Any = entry["fieldsV1"]
    name = ""
    for part in path:
        if isinstance(part, Key) and isinstance(live, list) and isinstance(desired, list):
            if (index := item_at(live, desired, name, part)) is None:
                return False
            live = live[index]
            other = item_at(desired, desired, name, part)
            desired = desired[other] if other is not None else None
            owned = _owned_item(owned, live)
        elif isinstance(part, int) and isinstance(live, list):
            # A list without keys has one owner, or is a set of values.
            return True
        else:
            live = live.get(part) if isinstance(live, dict) else None
            desired = desired.get(part) if isinstance(desired, dict) else None
            owned = owned.get(f"f:{part}")
            name = str(part)
        if owned is None:
            return False
        if not owned:
            return True
    return True


def _owned_item(owned: dict[str, Any], item: Any) -> Any:
    for key, inner in owned.items():
        if key.startswith("k:") and isinstance(item, dict):
            keys = json.loads(key[2:])
            if all(item.get(field) == value for field, value in keys.items()):
                return inner
    return None
