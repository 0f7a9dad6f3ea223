"""Fields that disappear: the API then takes its own default, which no file shows.

A field is reset by whoever set it: by a client-side `kubectl apply` since its annotation still has
the field, by a server-side apply since its manager no longer names it. Source of the defaults:
https://kubernetes.io/docs/reference/kubernetes-api.
"""

from __future__ import annotations

from servestack.review.diff import Change
from servestack.review.effects.table import Category, Row, Words, added, removed, row

_CONTAINER = r"^spec\.template\.spec\.(initContainers|containers)\[[^]]*\]"


def _replicas(change: Change) -> str | None:
    """One pod at once: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale,
    "Migrating Deployments and StatefulSets to horizontal autoscaling"."""
    if change.new is not None or not isinstance(change.old, int):
        return None
    if change.old <= 1:
        return "the autoscaler decides the number of pods"
    return (
        f"an apply drops {change.old} pods to 1 at once, until the autoscaler raises them: run "
        "`servestack handover` first, which keeps the count (`servestack up` does so itself)"
    )


def _default(what: str, value: str) -> Words:
    return removed(lambda change: f"{what} falls back to the API's default: {value}")


_DEFAULTS: tuple[tuple[str, str, Category, str, str], ...] = (
    ("Deployment", r"^spec\.strategy$|^spec\.strategy\.rollingUpdate(\.maxUnavailable)?$",
     "availability", "the number of pods missing in a rollout", "25%"),
    ("Deployment", r"^spec\.minReadySeconds$", "availability", "the time before a pod counts as available", "0 s"),
    ("Deployment", r"^spec\.progressDeadlineSeconds$", "availability", "the time that a rollout may take", "600 s"),
    ("Deployment", r"^spec\.revisionHistoryLimit$", "none", "the number of old revisions", "10"),
    ("Deployment", r"^spec\.template\.spec\.terminationGracePeriodSeconds$",
     "availability", "the time that a pod has to stop", "30 s"),
    ("Deployment", r"^spec\.template\.spec\.enableServiceLinks$", "none", "variables of every Service", "on"),
    ("HorizontalPodAutoscaler", r"^spec\.minReplicas$", "availability", "minimum capacity", "1 pod"),
    ("HorizontalPodAutoscaler", r"^spec\.metrics$",
     "availability", "what the autoscaler looks at", "80% CPU over all containers of a pod"),
    ("HorizontalPodAutoscaler", r"^spec\.behavior(\.scaleDown)?$",
     "availability", "the speed of scaling down", "all surplus pods after 300 s"),
    ("PodDisruptionBudget", r"^spec\.unhealthyPodEvictionPolicy$",
     "availability", "the eviction of pods that are not ready", "IfHealthyBudget, which can block a node drain"),
    ("Ingress", r"^spec\.ingressClassName$", "security", "the controller", "the cluster's default class"),
)  # fmt: skip
"""Kind, field, category, what it is, the API's default in words."""

ROWS: tuple[Row, ...] = (
    row("Deployment", r"^spec\.replicas$", "availability", _replicas),
    row(
        "Deployment", r"^spec\.replicas$", "availability",
        added(lambda change: f"capacity is fixed at {change.new}"),
    ),
    *(row(kind, field, category, _default(what, value)) for kind, field, category, what, value in _DEFAULTS),
    row(
        "Deployment", rf"{_CONTAINER}\.resources(\.limits(\.(cpu|memory|ephemeral-storage))?)?$", "availability",
        removed("the container has no limit any more, or the namespace's default, and can starve its node"),
    ),
    row(
        "Deployment", rf"{_CONTAINER}\.resources(\.requests(\.(cpu|memory|ephemeral-storage))?)?$", "availability",
        removed("the cluster reserves nothing any more, or as much as the limit"),
    ),
    row(
        "PodDisruptionBudget", r"^spec\.(minAvailable|maxUnavailable)$", "availability",
        removed("the budget no longer says how many pods a node drain may evict"),
    ),
)  # fmt: skip
