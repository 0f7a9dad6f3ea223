"""Which pulumi_kubernetes class declares which kind."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pulumi
from servestack.build.manifest import Body, Manifest

_CLASSES = {
    ("v1", "Namespace"): "core.v1",
    ("v1", "ServiceAccount"): "core.v1",
    ("v1", "ConfigMap"): "core.v1",
    ("v1", "Service"): "core.v1",
    ("apps/v1", "Deployment"): "apps.v1",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling.v2",
    ("policy/v1", "PodDisruptionBudget"): "policy.v1",
    ("networking.k8s.io/v1", "Ingress"): "networking.v1",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networking.v1",
}
"""(apiVersion, kind) → submodule of pulumi_kubernetes; anything else is a CustomResource."""

_ARGUMENTS = {"automountServiceAccountToken": "automount_service_account_token"}
"""Top-level fields whose Python argument has another name. Nested fields keep the API's names."""


def declare_manifest(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> Any:
    """Register one manifest as a typed resource, with exactly its fields as inputs."""
    module = _CLASSES.get((manifest.api_version, manifest.kind))
    if module is None:
        return _declare_custom(manifest, name, opts)
    resource_type = getattr(import_module(f"pulumi_kubernetes.{module}"), manifest.kind)
    fields = _fields(manifest.body)
    return resource_type(
        name,
        api_version=manifest.api_version,
        kind=manifest.kind,
        **{_ARGUMENTS.get(key, key): value for key, value in fields.items()},
        opts=opts,
    )


def _declare_custom(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> Any:
    custom: Callable[..., Any] = import_module("pulumi_kubernetes.apiextensions").CustomResource
    fields = _fields(manifest.body)
    return custom(
        name,
        api_version=manifest.api_version,
        kind=manifest.kind,
        metadata=fields.pop("metadata"),
        others=fields,
        opts=opts,
    )


def _fields(body: Body) -> Body:
    return {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
