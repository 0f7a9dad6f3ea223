"""What the server reads at start, and what it is told about its artifacts.

The file holds the spec's settings and no version: a new version changes the pod template alone.
"""

from __future__ import annotations

from typing import Any

from servestack.build import names
from servestack.build.log_shipping import largest_event_bytes
from servestack.build.manifest import Body
from servestack.build.monitoring import latency_buckets
from servestack.build.readable_json import readable_json
from servestack.resolve.resolved import ResolvedModel, ResolvedService
from servestack.spec.artifact_uri import ArtifactKind, parse_artifact_uri
from servestack.spec.quantities import byte_count

CONFIG_FILE = "service.json"
API_KEYS_FOLDER = "/etc/servestack-api-keys"


def build_server_config_map(service: ResolvedService) -> Body:
    """The ConfigMap with the server's settings."""
    text = readable_json(server_config(service)) + "\n"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(service, names.server_config_name(service)),
        "data": {CONFIG_FILE: text},
    }


def server_config(service: ResolvedService) -> dict[str, Any]:
    """The server's settings: sizes in bytes, times in the unit of their name."""
    spec = service.spec
    api, limits = spec.api, spec.api.limits
    config: dict[str, Any] = {
        "name": spec.name,
        "environment": service.environment.name,
        "description": spec.description or "",
        "basePath": spec.base_path,
        "port": names.HTTP_PORT,
        "models": [{"name": m.name, "path": model_path(m)} for m in service.models],
        "runtime": spec.runtime,
        "trust": _plain(spec.trust),
        "input": _plain(service.input),
        "limits": {
            "maxBodyBytes": byte_count(limits.max_body),
            "maxRows": limits.max_rows,
            "maxQueue": limits.max_queue,
            "timeoutSeconds": limits.timeout_seconds,
        },
        "errorStyle": api.error_style,
        "shutdown": {"requestSeconds": spec.shutdown.request_seconds},
        "events": _events(service),
        "metrics": {
            "latencyBucketsSeconds": list(latency_buckets(service)),
            "drift": spec.monitoring.drift,
        },
    }
    if spec.graph is not None:
        config["graph"] = _plain(spec.graph)
    if api.batching is not None:
        config["batching"] = _plain(api.batching)
    if api.auth is not None:
        keys = api.auth.api_keys
        config["apiKeys"] = {"file": f"{API_KEYS_FOLDER}/{keys.key}", "header": keys.header}
    return config


def _events(service: ResolvedService) -> dict[str, Any]:
    logging = service.spec.logging
    events: dict[str, Any] = {
        "folder": names.EVENTS_FOLDER,
        "source": f"/{service.namespace}/{service.name}",
        "kinds": [kind for kind, _ in service.topics.shipped()],
        "maxEventBytes": largest_event_bytes(service),
        "diskBudgetBytes": byte_count(logging.disk_budget),
        "whenFull": logging.when_full,
    }
    if service.topics.shipped():
        events["registry"] = names.FILEBEAT_REGISTRY_FOLDER
    if logging.predictions is not None:
        events["predictions"] = _plain(logging.predictions)
    return events


def _plain(section: Any) -> Any:
    return section.model_dump(mode="json", by_alias=True, exclude_none=True)


def model_path(model: ResolvedModel) -> str:
    """Where the server finds a model: fetched, or part of the image."""
    if is_in_image(model):
        return model.artifact.source
    return f"{names.MODELS_FOLDER}/{model.name}"


def is_in_image(model: ResolvedModel) -> bool:
    """Whether the image already holds the artifact, so that nothing is fetched."""
    return parse_artifact_uri(model.artifact.uri).kind is ArtifactKind.IN_IMAGE


def fetch_argument(model: ResolvedModel) -> str:
    """`--artifact=<name>=<source>#sha256=<hex>`: what the init container fetches and verifies."""
    artifact = model.artifact
    return f"--artifact={model.name}={artifact.source or artifact.uri}{_pin(model)}"


def serve_argument(model: ResolvedModel) -> str:
    """`--model=<name>=<version>#sha256=<hex>`: what the server says that it serves."""
    return f"--model={model.name}={model.artifact.version or '-'}{_pin(model)}"


def _pin(model: ResolvedModel) -> str:
    return f"#sha256={model.artifact.sha256}" if model.artifact.sha256 else ""


def mlflow_uri(service: ResolvedService) -> str:
    """The MLflow server as pods reach it, where it serves the artifacts itself; else empty."""
    mlflow = service.environment.mlflow
    proxied = any(m.artifact.source.startswith("mlflow-artifacts:") for m in service.models)
    if mlflow is None or not proxied:
        return ""
    if mlflow.cluster_uri:
        return mlflow.cluster_uri
    return mlflow.tracking_uri if mlflow.tracking_uri.startswith("http") else ""
