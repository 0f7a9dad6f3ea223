"""What an environment has once for all its models: Namespace, default NetworkPolicy, dashboard."""

from __future__ import annotations

from servestack.manifests import names
from servestack.manifests.dashboards import fleet_text
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


def build_fleet_dashboard_config_map(environment: Environment) -> Body | None:
    """The ConfigMap with the Grafana dashboard of all models; None unless the environment wants it."""
    grafana = environment.grafana
    if grafana is None or not grafana.fleet:
        return None
    metadata: Body = {
        "name": names.fleet_dashboard_name(environment),
        "namespace": environment.namespace,
        "labels": _LABELS | {grafana.label: "1"},
    }
    if annotations := names.grafana_annotations(grafana):
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {names.fleet_dashboard_file(environment): fleet_text(environment)},
    }
