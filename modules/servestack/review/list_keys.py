"""Which lists are keyed: fields, not positions, identify their items.

The keys are those of Kubernetes' own merge rules (x-kubernetes-list-map-keys in its OpenAPI);
for lists that Kubernetes treats as a whole, the field by which a reader recognises an item.
"""

from __future__ import annotations

from typing import Any

Path = tuple[str | int, ...]

_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "imagePullSecrets": (("name",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "ports": (("name",), ("containerPort", "protocol"), ("port", "protocol")),
    "podMetricsEndpoints": (("port", "path"),),
    "metrics": (
        ("type", "resource.name|containerResource.name|pods.metric.name|external.metric.name"),
    ),
    "policies": (("type",),),
    "groups": (("name",),),
    "rules": (("alert|record", "labels.severity", "labels.window"), ("host",)),
    "paths": (("path",),),
    "tls": (("secretName",),),
    "parentRefs": (("name", "namespace", "sectionName"),),
    "filebeat.inputs": (("id",),),
    "panels": (("title",),),
    "targets": (("refId",),),
    "models": (("name",),),
    "columns": (("name",),),
}
"""For each list's name, its possible keys: the first that is unique for every item is used."""

_DEFAULTS = {"protocol": "TCP"}
"""What the API fills in for a part of a key that is missing."""


def key_of(name: str, old: list[Any], new: list[Any]) -> tuple[str, ...]:
    """The fields that identify the items of both lists; empty where their position does."""
    if not all(isinstance(item, dict) for item in (*old, *new)):
        return ()
    for fields in _KEYS.get(name, ()):
        if _tells_apart(old, fields) and _tells_apart(new, fields):
            return fields
    return ()


def _tells_apart(items: list[Any], fields: tuple[str, ...]) -> bool:
    complete = all(field_of(item, fields[0]) is not None for item in items)
    return complete and len({label(item, fields) for item in items}) == len(items)


def label(item: dict[str, Any], fields: tuple[str, ...]) -> str:
    """An item's key as text: `8080/TCP`."""
    values = (field_of(item, field) or _DEFAULTS.get(field) for field in fields)
    return "/".join(str(value) for value in values if value is not None)


def field_of(item: dict[str, Any], field: str) -> Any:
    """A field of an item: a dot leads into a mapping, a bar separates alternatives."""
    for alternative in field.split("|"):
        here: Any = item
        for part in alternative.split("."):
            here = here.get(part) if isinstance(here, dict) else None
        if here is not None:
            return here
    return None
