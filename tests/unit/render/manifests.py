"""Manifests for the tests of the rendered tree."""

from __future__ import annotations

from typing import Any

from servestack.manifests.manifest import Manifest

SOURCE = "models/iris.yaml"


def config_map(
    name: str = "iris",
    group: str = "iris",
    source: str = SOURCE,
    builder: str = "servestack.manifests.workload.build_config_map",
    **data: str,
) -> Manifest:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    body["data"] = dict(data)
    return Manifest(group, "workload", builder, source, body)


def namespace(name: str = "models") -> Manifest:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    builder = "servestack.manifests.environment.build_namespace"
    return Manifest("_environment", "environment", builder, "stacks/prod.yaml", body)
