"""A manifest as a resource of pulumi_kubernetes."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pulumi

from servestack.manifests.kinds import KINDS
from servestack.manifests.manifest import Manifest

_FORMER_TYPES = {("v1", "Namespace"): "kubernetes:core/v1:Namespace"}
"""Types in stacks of servestack 0.1. Without the alias Pulumi would delete the namespace."""


def declare_manifest(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> Any:
    """Register one manifest as a typed resource, with exactly its fields as inputs."""
    key = (manifest.api_version, manifest.kind)
    module, class_name = KINDS[key].declared_as
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
