"""How long a model's rollout may take, for whoever waits for one: Pulumi, Flux."""

from __future__ import annotations

from collections.abc import Sequence

from servestack.manifests.kinds import WORKLOADS
from servestack.manifests.manifest import Manifest
from servestack.manifests.shadow import SHADOW

MARGIN_SECONDS = 60
"""Time for the API, the scheduler and the waiting program's own checks, beyond the rollout itself."""


def rollout_seconds(manifests: Sequence[Manifest]) -> int | None:
    """Seconds until a rollout of one model that makes no progress has certainly failed.

    None without a workload. Kubernetes restarts the deadline with each pod that becomes available,
    so the time that each further pod has to stay ready is added.
    """
    bodies = {
        manifest.kind: manifest.body["spec"]
        for manifest in manifests
        if "spec" in manifest.body and manifest.concern != SHADOW
    }
    deployment = next((bodies[kind] for kind in WORKLOADS if kind in bodies), None)
    if deployment is None:
        return None
    scaler = bodies.get("HorizontalPodAutoscaler", {})
    most = scaler.get("maxReplicas") or bodies.get("ScaledObject", {}).get("maxReplicaCount")
    pods = int(most or deployment.get("replicas", 1))
    # A patch may leave out either; these are the defaults of Kubernetes.
    stays_ready = int(deployment.get("minReadySeconds", 0)) * max(0, pods - 1)
    return int(deployment.get("progressDeadlineSeconds", 600)) + stays_ready + MARGIN_SECONDS
