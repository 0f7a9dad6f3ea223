"""Names, labels and paths that several objects of one model must agree on."""

from __future__ import annotations

from typing import Any

from servestack.resolve.resolved import ResolvedService

LABEL_DOMAIN = "servestack.dev"
MANAGED_BY = "servestack"
PUBLIC_VARIABLES = f"{LABEL_DOMAIN}/public-variables"
"""Annotation: the variables whose values look like secrets, and whose owner says that they are none."""

SERVER_CONTAINER = "server"
FETCH_CONTAINER = "fetch"
FILEBEAT_CONTAINER = "filebeat"

HTTP_PORT = 8080
HTTP_PORT_NAME = "http"
FILEBEAT_STATS_PORT = 5066

VARIANT_LABEL = f"{LABEL_DOMAIN}/variant"
"""Label that a rollout controller gives to the pods of each side: `stable`, `canary` or `shadow`."""

CONFIG_FOLDER = "/etc/servestack"
POD_INFO_FOLDER = "/etc/servestack-pod"
VARIANT_FILE = "variant"
MODELS_FOLDER = "/models"
EVENTS_FOLDER = "/var/log/servestack"
FILEBEAT_CONFIG_FOLDER = "/etc/filebeat"
FILEBEAT_DATA_FOLDER = "/var/lib/filebeat"
FILEBEAT_REGISTRY_FOLDER = f"{FILEBEAT_DATA_FOLDER}/registry/filebeat"
KAFKA_CA_FOLDER = "/etc/kafka-ca"
KAFKA_CLIENT_FOLDER = "/etc/kafka-client"


def selector(service: ResolvedService) -> dict[str, str]:
    """The labels that select the model's pods. Never the version: an upgrade keeps its Service."""
    return {
        "app.kubernetes.io/name": service.name,
        "app.kubernetes.io/component": "model-server",
    }


def labels(service: ResolvedService) -> dict[str, str]:
    """The labels of every object of the model. Ours win over the spec's."""
    owner = {f"{LABEL_DOMAIN}/owner": service.spec.owner} if service.spec.owner else {}
    return (
        dict(sorted(service.spec.labels.items()))
        | selector(service)
        | {"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/part-of": "servestack"}
        | owner
    )


def metadata(
    service: ResolvedService,
    name: str,
    *,
    extra_labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Metadata of a namespaced object of the model."""
    result: dict[str, Any] = {
        "name": name,
        "namespace": service.namespace,
        "labels": labels(service) | (extra_labels or {}),
    }
    if annotations:
        result["annotations"] = dict(sorted(annotations.items()))
    return result


def service_account_name(service: ResolvedService) -> str:
    """Name of the pods' service account: the model's own, or the existing one of the spec."""
    return service.spec.service_account.name or service.name


def server_config_name(service: ResolvedService) -> str:
    """Name of the ConfigMap with the server's settings."""
    return f"{service.name}-server"


def filebeat_config_name(service: ResolvedService) -> str:
    """Name of the ConfigMap with filebeat.yml."""
    return f"{service.name}-filebeat"


def solver_policy_name(service: ResolvedService) -> str:
    """Name of the NetworkPolicy of cert-manager's HTTP-01 solvers."""
    return f"{service.name}-acme"


def dashboard_name(service: ResolvedService) -> str:
    """Name of the ConfigMap with the Grafana dashboard."""
    return f"{service.name}-dashboard"
