"""What a rollout is at, as its object and the router's say."""

from __future__ import annotations

from typing import Any

from tests.cluster.deployment import NAMESPACE, Deployment

_ROLLOUT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "iris", "namespace": NAMESPACE},
}
_CANARY_INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "iris-iris-canary", "namespace": NAMESPACE},
}
_WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"


def rollout(deployment: Deployment) -> dict[str, Any]:
    """The Rollout as it is now; empty where there is none."""
    return deployment.client.get(_ROLLOUT) or {}


def phase(deployment: Deployment) -> tuple[str, str]:
    """(phase, message) of the newest version, once the controller has seen it."""
    live = rollout(deployment)
    status = live.get("status") or {}
    if status.get("observedGeneration") != str(live.get("metadata", {}).get("generation")):
        return ("Unseen", "")
    return (status.get("phase", ""), status.get("message", ""))


def active_hash(deployment: Deployment) -> str:
    """The pods that a blue-green rollout gives to callers."""
    status = rollout(deployment).get("status") or {}
    return str((status.get("blueGreen") or {}).get("activeSelector", ""))


def weight(deployment: Deployment) -> int:
    """The share of the requests that the router gives to the canary, in percent."""
    live = deployment.client.get(_CANARY_INGRESS) or {}
    return int(live.get("metadata", {}).get("annotations", {}).get(_WEIGHT, 0))
