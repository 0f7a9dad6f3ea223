"""Small Kubernetes objects for the tests of the review layer."""

from __future__ import annotations

from typing import Any

from servestack.manifests.manifest import Body, Manifest
from servestack.review.summary import Review, review


def config_map(data: dict[str, Any], **metadata: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "iris-files", **metadata},
        "data": data,
    }


def secret(data: dict[str, str], **metadata: Any) -> Body:
    return config_map(data, **metadata) | {"kind": "Secret"}


def deployment(**container: Any) -> Body:
    """A Deployment whose one container has these fields."""
    labels = {"app": "iris"}
    pod = {"containers": [{"name": "server", "image": "serving", **container}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "iris"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def autoscaler(*metrics: Body) -> Body:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "iris"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"},
            "maxReplicas": 6,
            "metrics": list(metrics),
        },
    }


def pods_metric(name: str, value: str) -> Body:
    target = {"type": "AverageValue", "averageValue": value}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}


def rules(*items: Body) -> Body:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "iris"},
        "spec": {"groups": [{"name": "iris", "rules": list(items)}]},
    }


def policy(spec: Body) -> Body:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "iris"},
        "spec": spec,
    }


def manifest(body: Body, group: str = "iris") -> Manifest:
    return Manifest(group, "", "", "", body)


def reviewed(old: Body | None, new: Body | None) -> Review:
    """The review of one object; None where there is none."""
    before = [] if old is None else [manifest(old)]
    after = [] if new is None else [manifest(new)]
    return review("prod", "rendered/prod", before, after)


def fields(old: Body, new: Body) -> list[tuple[str, str]]:
    """(operation, field) of every change between two versions of an object."""
    return [
        (field.change.operation, field.change.field)
        for group in reviewed(old, new).groups
        for item in group.objects
        for field in item.fields
    ]


def effects(old: Body | None, new: Body | None) -> str:
    """What the review of one object says in its summary."""
    return "; ".join(effect for group in reviewed(old, new).groups for effect in group.effects)
