"""Which pulumi_kubernetes class declares which kind."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pulumi

from servestack.build.manifest import Manifest

_CLASSES = {
    ("v1", "Namespace"): "core.v1",
    ("v1", "ServiceAccount"): "core.v1",
    ("v1", "ConfigMap"): "core.v1",
    ("v1", "Secret"): "core.v1",
    ("v1", "Service"): "core.v1",
    ("apps/v1", "Deployment"): "apps.v1",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling.v2",
    ("policy/v1", "PodDisruptionBudget"): "policy.v1",
    ("networking.k8s.io/v1", "Ingress"): "networking.v1",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networking.v1",
}
"""(apiVersion, kind) → submodule of pulumi_kubernetes; anything else is a CustomResource.

The class of Secret marks its values, so that the state holds them as ciphertext only.
"""


def declare_manifest(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> Any:
    """Register one manifest as a typed resource, with exactly its fields as inputs."""
    module = _CLASSES.get((manifest.api_version, manifest.kind))
    resource_type = (
        import_module("pulumi_kubernetes.apiextensions").CustomResource
        if module is None
        else getattr(import_module(f"pulumi_kubernetes.{module}"), manifest.kind)
    )
    arguments = {
        _argument(field): value
        for field, value in manifest.body.items()
        if field not in ("apiVersion", "kind")
    }
    return resource_type(
        name, api_version=manifest.api_version, kind=manifest.kind, **arguments, opts=opts
    )


def _argument(field: str) -> str:
    """A top-level field's Python argument; nested fields keep the API's names."""
    return re.sub(r"(?=[A-Z])", "_", field).lower()
