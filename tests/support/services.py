"""ResolvedServices for unit tests, made by the real resolve from text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.service import resolve_service
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded, load_environment, load_model_service
from servestack.spec.model_service import ModelService, shadow_name
from servestack.yaml_writer import dump
from servestack_contract.loading import Loading

SPEC: dict[str, Any] = {
    "apiVersion": "servestack/v1",
    "kind": "ModelService",
    "name": "iris",
    "artifact": "models:/iris@production",
}
ENVIRONMENT: dict[str, Any] = {
    "apiVersion": "servestack/v1",
    "kind": "Environment",
    "name": "prod",
    "namespace": "models",
    "cluster": {"context": "prod"},
    "images": {"server": {"repository": "registry.example.com/serving", "tag": "1.0"}},
    "kafka": {"brokers": ["kafka:9093"], "security": {"credentials": {"secret": "kafka"}}},
    "prometheus": {"style": "operator", "labels": {}},
    "grafana": {"folder": "Models"},
    "ingress": {"kind": "ingress", "hostSuffix": "example.com", "namespace": "traefik"},
    "network": {"artifactStore": {"namespace": "mlflow"}, "kafka": {"namespace": "kafka"}},
}
ARTIFACT: dict[str, Any] = {
    "version": "3",
    "run_id": "0123456789abcdef0123456789abcdef",
    "source": "s3://models/iris/3",
    "flavor": "sklearn",
    "format": "skops",
    "sha256": "ab" * 32,
    "signature": {
        "inputs": [
            {"name": "sepal_length", "type": "double", "required": True},
            {"name": "sepal_width", "type": "double", "required": True},
        ]
    },
    "loading": Loading(),
}
NULL = "written-as-null"
"""Stands for a null in a file, which plain data for manifests cannot hold."""


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings merged, everything else replaced; None takes a key away, NULL writes a null."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def load_spec(folder: Path, **fields: Any) -> Loaded[ModelService]:
    """A spec from a file, as always."""
    return load_model_service(write(folder / "models/iris.yaml", merged(SPEC, fields)))


def load_settings(folder: Path, **fields: Any) -> Loaded[Environment]:
    """An environment from a file."""
    return load_environment(write(folder / "stacks/prod.yaml", merged(ENVIRONMENT, fields)))


def write(file: Path, data: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dump(data).replace(NULL, "null"))
    return file


def lock_of(spec: ModelService, **facts: Any) -> Lock:
    """A lock that holds every artifact of a spec. `shadow` are facts of the shadow's."""
    of_shadow = facts.pop("shadow", {})
    artifacts = {
        model.name: LockedArtifact(uri=model.artifact, **(ARTIFACT | facts))
        for model in spec.artifacts()
    }
    if spec.shadow is not None:
        other = ARTIFACT | {"version": "4", "sha256": "cd" * 32} | of_shadow
        artifacts[shadow_name(spec.name)] = LockedArtifact(uri=spec.shadow.artifact, **other)
    return Lock("prod", {spec.name: artifacts})


def resolved(
    folder: Path,
    spec: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    artifact: dict[str, Any] | None = None,
) -> ResolvedService:
    """Load and resolve a spec in an environment; arguments are laid over the ones above."""
    loaded = load_spec(folder, **(spec or {}))
    settings = load_settings(folder, **(environment or {}))
    return resolve_service(loaded, settings, lock_of(loaded.value, **(artifact or {})))
