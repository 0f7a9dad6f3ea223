"""Which pulumi_kubernetes class declares which kind."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pulumi

from servestack.manifests.manifest import Manifest

_CLASSES = {
    # A patch owns its fields and never the object (docs/adr/0011): it works where somebody else
    # made the namespace, and deleting it takes the fields back and leaves the namespace.
    ("v1", "Namespace"): ("core.v1", "NamespacePatch"),
    ("v1", "ServiceAccount"): ("core.v1", "ServiceAccount"),
    ("v1", "ConfigMap"): ("core.v1", "ConfigMap"),
    ("v1", "Secret"): ("core.v1", "Secret"),
    ("v1", "Service"): ("core.v1", "Service"),
    ("apps/v1", "Deployment"): ("apps.v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): ("autoscaling.v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"): ("policy.v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "Ingress"): ("networking.v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"): ("networking.v1", "NetworkPolicy"),
}
"""(apiVersion, kind) → submodule and class of pulumi_kubernetes; else it is a CustomResource.

The class of Secret marks its values, so that the state holds them as ciphertext only.
"""
_FORMER_TYPES = {("v1", "Namespace"): "kubernetes:core/v1:Namespace"}
"""What stacks of servestack 0.1 hold. Without the alias Pulumi would delete the namespace."""


def declare_manifest(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> Any:
    """Register one manifest as a typed resource, with exactly its fields as inputs."""
    key = (manifest.api_version, manifest.kind)
    module, class_name = _CLASSES.get(key, ("apiextensions", "CustomResource"))
    resource_type = getattr(import_module(f"pulumi_kubernetes.{module}"), class_name)
    arguments = {
        _argument(field): value
        for field, value in manifest.body.items()
        if field not in ("apiVersion", "kind")
    }
    if key in _FORMER_TYPES:
        former = pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=_FORMER_TYPES[key])])
        opts = pulumi.ResourceOptions.merge(opts, former)
    return resource_type(
        name, api_version=manifest.api_version, kind=manifest.kind, **arguments, opts=opts
    )


def _argument(field: str) -> str:
    """A top-level field's Python argument; nested fields keep the API's names."""
    return re.sub(r"(?=[A-Z])", "_", field).lower()
