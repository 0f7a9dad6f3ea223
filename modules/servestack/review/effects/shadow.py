"""A model's shadow: what its objects and the copies that it gets mean to callers and consumers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.review.diff import Change
from servestack.review.effects.table import Category, Effect, Row, added, moved, removed, row
from servestack_contract.shadow import FILE, ShadowTraffic

_DEFAULTS = ShadowTraffic("")
_SHADOW = "shadow: "
_WHOLE: dict[str, tuple[tuple[Category, str], tuple[Category, str]]] = {
    "Deployment": (
        ("data", "another version answers copies of requests, and logs them as the variant shadow"),
        ("data", "the shadow stops, and no more events of the variant shadow are logged"),
    ),
    "Service": (
        ("none", "the model's pods can reach the shadow"),
        ("none", "the model's pods can no longer reach the shadow"),
    ),
    "NetworkPolicy": (
        ("none", "only the model's pods and Prometheus may ask the shadow"),
        # Where only policies go, the model's own says so.
        ("none", "the limits on the shadow's traffic are removed"),
    ),
    "PodMonitor": (
        ("none", "the shadow's metrics are scraped"),
        ("none", "the shadow's metrics are no longer scraped"),
    ),
    "ConfigMap": (
        ("none", "configuration of the shadow is added"),
        ("none", "configuration of the shadow is removed"),
    ),
}
"""The words for an object of a shadow that is added, and for one that is removed."""

ROWS: tuple[Row, ...] = (
    row(
        "ConfigMap", rf"^data\[{FILE}\]$", "data",
        added("answered requests are copied to a shadow; no pod restarts"),
    ),
    row(
        "ConfigMap", rf"^data\[{FILE}\]$", "data",
        removed("no more requests are copied to a shadow; no pod restarts"),
    ),
    row(
        FILE, r"^percent$", "data",
        moved("share of the requests that is copied to the shadow, without a restart:", unit="%",
              default=_DEFAULTS.percent),
    ),
    row(FILE, r"^(host|port)$", "none", moved("copies go to")),
    row(
        FILE, r"^timeoutSeconds$", "none",
        moved("time of a copy at the shadow", unit=" s", default=_DEFAULTS.timeout_seconds),
    ),
    row(FILE, r"^maxQueue$", "none", moved("copies that may wait", default=_DEFAULTS.max_queue)),
    row(
        FILE, r"^maxQueuedBytes$", "none",
        moved("bytes of copies that may wait", unit="bytes", default=_DEFAULTS.max_queued_bytes),
    ),
)  # fmt: skip


def is_of_shadow(body: object) -> bool:
    """Whether an object belongs to a model's shadow."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and labels.get(names.VARIANT_LABEL) == "shadow"


def whole_object(change: Change, body: Body) -> tuple[Effect, ...]:
    """The consequence of an object of a shadow that is added or removed."""
    words = _WHOLE.get(str(body.get("kind")))
    if words is None:
        return (Effect("none", f"an object of the shadow is {change.operation}ed"),)
    category, text = words[0 if change.operation == "add" else 1]
    return (Effect(category, text),)


def as_shadow(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The consequences of a changed field, said of the shadow.

    No caller waits for a shadow, so that what it can do is nobody's availability.
    """
    return tuple(
        replace(
            effect,
            category="none" if effect.category == "availability" else effect.category,
            words=f"{_SHADOW}{effect.words}",
        )
        for effect in effects
    )
