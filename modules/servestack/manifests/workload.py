"""The pods: Deployment and PodDisruptionBudget."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from servestack.manifests import names
from servestack.manifests.further_containers import further_containers, variables
from servestack.manifests.log_shipping import (
    build_filebeat_config_map,
    build_filebeat_container,
    filebeat_volumes,
)
from servestack.manifests.manifest import Body
from servestack.manifests.monitoring import scrape_annotations
from servestack.manifests.scheduling import devices, placement, spread_constraints
from servestack.manifests.security import container_security_context, pod_security_context
from servestack.manifests.server_settings import (
    API_KEYS_FOLDER,
    build_server_config_map,
    fetch_argument,
    has_variants,
    is_in_image,
    mlflow_uri,
    serve_argument,
)
from servestack.manifests.volumes import container_mounts, own_volumes, server_mounts
from servestack.resolve.resolved import ResolvedService
from servestack.spec.quantities import byte_count, written_mebibytes
from servestack.spec.scaling import Resources
from servestack_contract import routes, settings
from servestack_contract.shadow import FILE as SHADOW_FILE

PROBE_PERIOD_SECONDS = 2
CONFIG_DIGEST = f"{names.LABEL_DOMAIN}/config-sha256"
"""Annotation of the pods: the digest of their configuration, with which they restart."""
REVISIONS = 5
"""Old ReplicaSets that are kept for the way back."""
KUBELET_MARGIN_SECONDS = 5
"""Time that the kubelet needs to stop a pod's containers one after the other."""


def build_deployment(service: ResolvedService) -> Body | None:
    """The Deployment. Its pods fetch the artifacts, then run Filebeat beside the server.

    None where a rollout controller has the pods (see `rollout.build_rollout`).
    """
    if service.rollouts is not None:
        return None
    spec = service.spec
    body: Body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": workload_metadata(service),
        "spec": {
            **pod_count(service),
            # The API drops a zero, which means the same.
            **({"minReadySeconds": ready} if (ready := spec.rollout.min_ready_seconds) else {}),
            "progressDeadlineSeconds": spec.rollout.progress_deadline_seconds,
            "revisionHistoryLimit": REVISIONS,
            # By default: surge by one, never drop below the count. A proxy answers 503 if all pods
            # terminate.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": spec.rollout.max_surge,
                    "maxUnavailable": spec.rollout.max_unavailable,
                },
            },
            "selector": {"matchLabels": names.selector(service)},
            "template": pod_template(service),
        },
    }
    return body


def workload_metadata(service: ResolvedService) -> Body:
    """The metadata of the object that keeps the pods: Deployment or Rollout."""
    return names.metadata(service, service.name, annotations=_annotations(service))


def pod_count(service: ResolvedService) -> Body:
    """`replicas`; empty with an autoscaler, which owns it: every apply would reset it."""
    return {} if service.spec.autoscaling is not None else {"replicas": service.spec.replicas or 0}


def pod_template(service: ResolvedService) -> Body:
    """The template of the pods, of a Deployment or a Rollout."""
    return {"metadata": _pod_metadata(service), "spec": _pod_spec(service)}


def _annotations(service: ResolvedService) -> dict[str, str]:
    spec = service.spec
    annotations: dict[str, str] = {}
    if spec.autoscaling is not None and spec.replicas is not None:
        annotations[f"{names.LABEL_DOMAIN}/requested-replicas"] = str(spec.replicas)
    if public := spec.public_variables():
        annotations[names.PUBLIC_VARIABLES] = ",".join(public)
    if spec.description:
        annotations[f"{names.LABEL_DOMAIN}/description"] = spec.description
    return annotations


def _pod_metadata(service: ResolvedService) -> Body:
    annotations = scrape_annotations(service) | service.spec.annotations
    configs = (build_server_config_map(service), build_filebeat_config_map(service))
    annotations[CONFIG_DIGEST] = config_digest([c for c in configs if c is not None])
    return {
        "labels": names.labels(service) | {f"{names.LABEL_DOMAIN}/version": service.version},
        "annotations": dict(sorted(annotations.items())),
    }


def config_digest(configs: Sequence[Body]) -> str:
    """Digest of the ConfigMaps that the pods read, in hex: the server's, then Filebeat's.

    Without the file about copies for a shadow, which the server reads again without a restart.
    """
    data = [
        {name: text for name, text in config.get("data", {}).items() if name != SHADOW_FILE}
        for config in configs
    ]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _pod_spec(service: ResolvedService) -> Body:
    spec = service.spec
    filebeat = build_filebeat_container(service)
    log_shippers = [filebeat] if filebeat is not None else []
    pod: Body = {
        "serviceAccountName": names.service_account_name(service),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_period_seconds(service),
        "securityContext": pod_security_context(),
    }
    spread = spread_constraints(service)
    if spread:
        pod["topologySpreadConstraints"] = spread
    pull_secrets = service.environment.images.pull_secrets
    if spec.image is not None:
        pull_secrets = tuple(dict.fromkeys((*pull_secrets, *spec.image.pull_secrets)))
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    pod |= placement(service)
    init_containers = further_containers(service) + _fetch_containers(service) + log_shippers
    if init_containers:
        pod["initContainers"] = init_containers
    pod["containers"] = [_server_container(service)]
    pod["volumes"] = _volumes(service, byte_count(spec.logging.disk_budget))
    return pod


def grace_period_seconds(service: ResolvedService) -> int:
    """Seconds that a pod gets to stop: drain, the longest request, log shipping, a margin."""
    shutdown = service.spec.shutdown
    shipping = shutdown.log_drain_seconds if service.topics.shipped() else 0
    return shutdown.drain_seconds + shutdown.request_seconds + shipping + KUBELET_MARGIN_SECONDS


def _fetch_containers(service: ResolvedService) -> list[Body]:
    """The init container that fetches and verifies the artifacts; none when all are baked in."""
    arguments = [fetch_argument(m) for m in service.models if not is_in_image(m)]
    if not arguments:
        return []
    container: Body = {
        "name": names.FETCH_CONTAINER,
        "image": service.image.reference,
        "imagePullPolicy": service.image.pull_policy,
        "args": [
            "fetch",
            f"--into={names.MODELS_FOLDER}",
            # A conversion to another runtime needs the input's description and what is trusted.
            f"--config={names.CONFIG_FOLDER}/{settings.FILE}",
            *arguments,
        ],
        "resources": _resources(service.spec.resources),
        "securityContext": container_security_context(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "config", "mountPath": names.CONFIG_FOLDER, "readOnly": True},
            {"name": "models", "mountPath": names.MODELS_FOLDER},
            {"name": "tmp", "mountPath": "/tmp"},
            *container_mounts(service, service.spec.fetch.volume_mounts),
        ],
    }
    tracking_uri = mlflow_uri(service)
    env = [{"name": "MLFLOW_TRACKING_URI", "value": tracking_uri}] if tracking_uri else []
    env += variables(service.spec.fetch.env)
    if env:
        container["env"] = env
    secret = service.spec.fetch.secret or service.environment.fetch.secret
    if secret is not None:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    return [container]


def _server_container(service: ResolvedService) -> Body:
    spec = service.spec
    container: Body = {
        "name": names.SERVER_CONTAINER,
        "image": service.image.reference,
        "imagePullPolicy": service.image.pull_policy,
        "args": [
            "serve",
            f"--config={names.CONFIG_FOLDER}/{settings.FILE}",
            *(serve_argument(model) for model in service.models),
        ],
        "env": _environment_variables(service),
        "ports": [_port(service)],
        "resources": _resources(spec.resources, devices(service)),
        # Ready means loaded and warmed up; liveness depends only on the process itself.
        "startupProbe": _probe(
            routes.READY, PROBE_PERIOD_SECONDS, failures=_startup_failures(service)
        ),
        "readinessProbe": _probe(routes.READY, 5, failures=2),
        "livenessProbe": _probe(routes.LIVE, 10, failures=3),
        "securityContext": container_security_context(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _server_mounts(service),
    }
    if spec.shutdown.drain_seconds:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": spec.shutdown.drain_seconds}}}
    return container


def _port(service: ResolvedService) -> Body:
    port: Body = {"name": names.HTTP_PORT_NAME, "containerPort": names.HTTP_PORT}
    if service.rollouts is not None:
        # The API adds it to a Rollout as it does to a Deployment, but lists of custom resources are
        # compared as a whole.
        port["protocol"] = "TCP"
    return port


def _startup_failures(service: ResolvedService) -> int:
    return -(-service.spec.startup.timeout_seconds // PROBE_PERIOD_SECONDS)


def _probe(path: str, period_seconds: int, *, failures: int) -> Body:
    return {
        "httpGet": {"path": path, "port": names.HTTP_PORT_NAME},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _environment_variables(service: ResolvedService) -> list[Body]:
    own: list[Body] = [
        {"name": f"SERVESTACK_{name}", "valueFrom": {"fieldRef": {"fieldPath": field}}}
        for name, field in (("POD", "metadata.name"), ("NAMESPACE", "metadata.namespace"))
    ]
    return [*own, *variables(service.spec.env)]


def _resources(resources: Resources, devices: dict[str, int] | None = None) -> Body:
    limits = resources.limits
    disk = limits.ephemeral_storage
    # Devices are never shared, so that their request is their limit.
    whole = {name: str(count) for name, count in (devices or {}).items()}
    return {
        "requests": {
            "cpu": resources.cpu,
            "memory": resources.memory,
            "ephemeral-storage": disk,
        }
        | whole,
        "limits": {
            "cpu": limits.cpu or resources.cpu,
            "memory": limits.memory or resources.memory,
            "ephemeral-storage": disk,
        }
        | whole,
    }


def _server_mounts(service: ResolvedService) -> list[Body]:
    mounts: list[Body] = [
        {"name": "config", "mountPath": names.CONFIG_FOLDER, "readOnly": True},
        {"name": "models", "mountPath": names.MODELS_FOLDER, "readOnly": True},
        {"name": "events", "mountPath": names.EVENTS_FOLDER},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if service.topics.shipped():
        # Filebeat's registry says which event files Kafka has in full: the server may delete those.
        mounts.append(
            {"name": "filebeat-data", "mountPath": names.FILEBEAT_DATA_FOLDER, "readOnly": True}
        )
    if has_variants(service):
        mounts.append({"name": "pod-info", "mountPath": names.POD_INFO_FOLDER, "readOnly": True})
    if service.spec.api.auth is not None:
        mounts.append({"name": "api-keys", "mountPath": API_KEYS_FOLDER, "readOnly": True})
    return mounts + server_mounts(service)


def _volumes(service: ResolvedService, budget_bytes: int) -> list[Body]:
    # An eviction has no grace period, so the server's own budget lies well below this limit.
    events_limit = written_mebibytes(budget_bytes * 3 // 2 // 2**20)
    volumes: list[Body] = [
        {"name": "config", "configMap": {"name": names.server_config_name(service)}},
        {"name": "models", "emptyDir": {}},
        {"name": "events", "emptyDir": {"sizeLimit": events_limit}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "128Mi"}},
    ]
    if has_variants(service):
        # A file follows the label when a canary is promoted; a variable would not.
        label = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{names.VARIANT_LABEL}']"}
        items = [{"path": names.VARIANT_FILE, "fieldRef": label}]
        volumes.append({"name": "pod-info", "downwardAPI": {"items": items}})
    if service.spec.api.auth is not None:
        secret = service.spec.api.auth.api_keys.secret
        volumes.append({"name": "api-keys", "secret": {"secretName": secret}})
    return volumes + filebeat_volumes(service) + own_volumes(service)


def build_pod_disruption_budget(service: ResolvedService) -> Body | None:
    """The PodDisruptionBudget: at most one pod is unavailable at a time.

    None below two replicas, where it would block every node drain. A rollout does not ask it, but a
    pod that a rollout has stopped counts: meanwhile a drain waits.
    """
    scaling = service.spec.autoscaling
    fewest = scaling.min if scaling is not None else service.spec.replicas or 0
    if fewest < 2:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(service, service.name),
        "spec": {
            "maxUnavailable": 1,
            # A pod that never became ready must not keep its node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": names.selector(service)},
        },
    }
