"""What an environment has once for all its models: Namespace and default NetworkPolicy."""

from __future__ import annotations

from servestack.manifests.manifest import Body
from servestack.manifests.names import MANAGED_BY
from servestack.spec.environment import Environment
from servestack.spec.reserved import DEFAULT_POLICY

_LABELS = {"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/part-of": "servestack"}

_KEPT = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""Tell Argo CD and Flux not to delete the namespace: others may use it too (docs/adr/0011)."""


def build_namespace(environment: Environment) -> Body | None:
    """The Namespace with the environment's Pod Security level; None where others create it."""
    if not environment.create_namespace:
        return None
    level = environment.pod_security
    modes = ("enforce", "audit", "warn")
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": environment.namespace,
            "labels": _LABELS | {f"pod-security.kubernetes.io/{mode}": level for mode in modes},
            "annotations": dict(_KEPT),
        },
    }


def build_default_network_policy(environment: Environment) -> Body | None:
    """The NetworkPolicy that denies what no other policy allows; None without network policies."""
    if not environment.network.policy:
        return None
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": DEFAULT_POLICY,
            "namespace": environment.namespace,
            "labels": dict(_LABELS),
        },
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
