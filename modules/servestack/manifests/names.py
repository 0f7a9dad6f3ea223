"""Names, labels and paths that several objects of one model must agree on."""

from __future__ import annotations

import hashlib
from typing import Any

from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Environment, Grafana
from servestack.spec.model_service import CANARY_SUFFIX, STABLE_SUFFIX

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
"""Label that a rollout controller gives to the pods of each side: `stable` or `canary`. A shadow's
objects have it from the start."""

CONFIG_FOLDER = "/etc/servestack"
POD_INFO_FOLDER = "/etc/servestack-pod"
VARIANT_FILE = "variant"
MODELS_FOLDER = "/models"
EVENTS_FOLDER = "/var/log/servestack"
FILEBEAT_CONFIG_FOLDER = "/etc/filebeat"
FILEBEAT_DATA_FOLDER = "/var/lib/filebeat"
FILEBEAT_REGISTRY_FOLDER = f"{FILEBEAT_DATA_FOLDER}/registry/filebeat"
FILEBEAT_MEMORY_FOLDER = "/run/filebeat"
KAFKA_CREDENTIALS_FOLDER = "/etc/kafka-credentials"
KAFKA_CA_FOLDER = "/etc/kafka-ca"
KAFKA_CLIENT_FOLDER = "/etc/kafka-client"


def selector(service: ResolvedService) -> dict[str, str]:
    """The labels that select the model's pods. Never the version: an upgrade keeps its Service."""
    return selector_of(service.name)


def selector_of(name: str) -> dict[str, str]:
    """The labels that select the pods of the model, or the shadow, of that name."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "model-server",
    }


def labels(service: ResolvedService) -> dict[str, str]:
    """The labels of every object of the model. Ours win over the spec's."""
    owner = {f"{LABEL_DOMAIN}/owner": service.spec.owner} if service.spec.owner else {}
    variant: dict[str, str] = {VARIANT_LABEL: "shadow"} if service.shadow_of else {}
    return (
        dict(sorted(service.spec.labels.items()))
        | selector(service)
        | {"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/part-of": "servestack"}
        | owner
        | variant
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


def stable_service_name(service: ResolvedService) -> str:
    """Name of the Service of the version that callers get; its selector is the rollout engine's."""
    return service.name + STABLE_SUFFIX


def canary_service_name(service: ResolvedService) -> str:
    """Name of the Service of the version that a rollout tries; its selector is the engine's."""
    return service.name + CANARY_SUFFIX


def checks_template_name(service: ResolvedService) -> str:
    """Name of the AnalysisTemplate that ends a rollout to a worse version."""
    return f"{service.name}-checks"


def requests_template_name(service: ResolvedService) -> str:
    """Name of the AnalysisTemplate that waits for enough requests."""
    return f"{service.name}-requests"


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


def grafana_annotations(grafana: Grafana) -> dict[str, str]:
    """Annotations by which Grafana's sidecar puts a dashboard into its folder."""
    return {"grafana_folder": grafana.folder} if grafana.folder else {}


def dashboard_file(service: ResolvedService) -> str:
    """Name of the file with the dashboard. Grafana's sidecar writes those of all namespaces into one
    folder; no part has a dot of its own, so no two models have the same."""
    return f"{service.environment.name}.{service.namespace}.{service.name}.json"


def dashboard_uid(service: ResolvedService) -> str:
    """Id of the dashboard in Grafana, and in its address: /d/<uid>."""
    return _uid(service.environment, service.name)


def fleet_dashboard_name(environment: Environment) -> str:
    """Name of the ConfigMap with the dashboard of all models. No object of a model ends like it."""
    return f"servestack-fleet-{environment.name}"


def fleet_dashboard_file(environment: Environment) -> str:
    """Name of the file with the dashboard of all models."""
    return f"{environment.name}.{environment.namespace}.json"


def fleet_dashboard_uid(environment: Environment) -> str:
    """Id of the dashboard of all models in Grafana."""
    return _uid(environment)


def _uid(environment: Environment, *more: str) -> str:
    """An id that is the same in every render, within Grafana's limit of 40 characters."""
    name = "/".join((environment.name, environment.namespace, *more))
    return f"servestack-{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def rules_file(service: ResolvedService) -> str:
    """Name of the file with the rules, among those of all namespaces."""
    return f"{service.namespace}.{service.name}.yaml"
