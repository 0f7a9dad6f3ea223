"""Keeps the number of pods while an autoscaler takes over a count that was fixed.

`spec.replicas` then vanishes from the manifest, and the API resets it to one pod: by a client-side
`kubectl apply`, whose annotation still has the field, and by a server-side apply, whose manager was
its only owner. See "Migrating Deployments and StatefulSets to horizontal autoscaling" in the
Kubernetes documentation. Here the field gets another owner, and leaves the annotation; the pods
do not change. As soon as the autoscaler sets another count, the field is its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from servestack.live.client import Cluster
from servestack.live.objects import LAST_APPLIED
from servestack.live.ownership import MANAGED_BY_LABEL, applies_more, owned_by_us_alone
from servestack.manifests.kinds import KINDS, WORKLOADS, Kind
from servestack.manifests.manifest import Body, Manifest
from servestack.manifests.names import MANAGED_BY

MANAGER = "servestack-handover"
"""Field manager that owns the count until the autoscaler changes it."""
_COUNT = ("spec", "replicas")
_AUTOSCALER = KINDS["autoscaling/v2", "HorizontalPodAutoscaler"]
_MAY_STAND_BESIDE = "validations.keda.sh/hpa-ownership"
"""Annotation of a HorizontalPodAutoscaler that KEDA's webhook looks at. Source: `verifyHpas` in
KEDA's apis/keda/v1alpha1/scaledobject_webhook.go."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A Deployment or Rollout whose number of pods is kept."""

    name: str
    replicas: int


def hand_over(cluster: Cluster, manifests: Iterable[Manifest]) -> tuple[HandedOver, ...]:
    """Keep the count of every live workload of ours that is declared without one.

    Returns those that needed it: applying their manifests would have dropped them to one pod.
    Raises ClusterError.
    """
    found = []
    for manifest in manifests:
        if manifest.kind not in WORKLOADS or "replicas" in manifest.body["spec"]:
            continue
        kind = KINDS[manifest.api_version, manifest.kind]
        live = cluster.get(kind, manifest.namespace, manifest.name)
        if live is not None and is_ours(live) and _hand_over(cluster, kind, live):
            found.append(HandedOver(manifest.name, live["spec"]["replicas"]))
    return tuple(found)


def admit_scaled_objects(cluster: Cluster, manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Let KEDA's webhook accept the ScaledObjects that replace HorizontalPodAutoscalers of ours.

    It refuses one while an autoscaler for the same Deployment exists, and Pulumi, Argo CD and Flux
    create before they delete. Returns the names of the models. Raises ClusterError.
    """
    found = []
    for manifest in manifests:
        if manifest.kind != "ScaledObject":
            continue
        live = cluster.get(_AUTOSCALER, manifest.namespace, manifest.name)
        if live is None or not is_ours(live):
            continue
        if (live["metadata"].get("annotations") or {}).get(_MAY_STAND_BESIDE) != "false":
            change = {"metadata": {"annotations": {_MAY_STAND_BESIDE: "false"}}}
            cluster.merge(_AUTOSCALER, manifest.namespace, manifest.name, change, MANAGER)
            found.append(manifest.name)
    return tuple(found)


def is_ours(live: Body) -> bool:
    """Whether servestack's manifests made a live object."""
    labels = live["metadata"].get("labels") or {}
    return bool(labels.get(MANAGED_BY_LABEL) == MANAGED_BY)


def _hand_over(cluster: Cluster, kind: Kind, live: Body) -> bool:
    """Keep the count of one workload. Returns whether anything had to be done."""
    metadata, replicas = live["metadata"], live["spec"].get("replicas", 1)
    last = _last_applied(live)
    annotated = "replicas" in (last.get("spec") or {})
    alone = owned_by_us_alone(live, _COUNT) and not applies_more(live, MANAGER, _COUNT)
    if replicas <= 1 or not (annotated or alone):
        return False
    name = {"name": metadata["name"], "namespace": metadata["namespace"]}
    if alone:
        head = {"apiVersion": kind.api_version, "kind": kind.name}
        body = {**head, "metadata": name, "spec": {"replicas": replicas}}
        live = cluster.apply(kind, body, MANAGER) or live
    if annotated:
        last["spec"].pop("replicas")
        text = json.dumps(last, separators=(",", ":")) + "\n"
        change = {
            "annotations": {LAST_APPLIED: text},
            "resourceVersion": live["metadata"]["resourceVersion"],
        }
        cluster.merge(kind, name["namespace"], name["name"], {"metadata": change}, MANAGER)
    return True


def _last_applied(live: Body) -> Body:
    """What a client-side `kubectl apply` declared last; empty if nobody did so."""
    try:
        last = json.loads(live["metadata"]["annotations"][LAST_APPLIED])
    except (KeyError, TypeError, ValueError):
        return {}
    return last if isinstance(last, dict) else {}
