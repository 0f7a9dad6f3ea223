"""The server's settings file, and its arguments about artifacts.

The file holds the spec's settings and no version: a new version changes only the pod template.
"""

from __future__ import annotations

from typing import Any

from servestack.manifests import names
from servestack.manifests.log_shipping import largest_event_bytes
from servestack.manifests.manifest import Body
from servestack.manifests.monitoring import latency_buckets
from servestack.manifests.readable_json import readable_json
from servestack.manifests.remembered import remembered
from servestack.resolve.addresses import path_prefix
from servestack.resolve.resolved import ResolvedModel, ResolvedService
from servestack.spec import api, columns, graph, observability
from servestack.spec.artifact_uri import ArtifactKind, parse_artifact_uri
from servestack.spec.model_service import Trust, shadow_name
from servestack.spec.quantities import byte_count
from servestack_contract import settings
from servestack_contract.artifact import Pin
from servestack_contract.settings import ServerSettings
from servestack_contract.shadow import FILE as SHADOW_FILE
from servestack_contract.shadow import ShadowTraffic

API_KEYS_FOLDER = "/etc/servestack-api-keys"


def build_server_config_map(service: ResolvedService) -> Body:
    """The ConfigMap with the server's settings."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(service, names.server_config_name(service)),
        "data": {settings.FILE: _own_text(service), **shadow_traffic(service)},
    }


def shadow_traffic(service: ResolvedService) -> dict[str, str]:
    """The file that says where copies of requests go; empty without a shadow."""
    shadow = service.spec.shadow
    if service.shadow is None or shadow is None:
        return {}
    traffic = ShadowTraffic(
        host=f"{shadow_name(service.name)}.{service.namespace}.svc",
        port=service.spec.service.port,
        percent=shadow.percent,
        timeout_seconds=shadow.timeout_seconds,
        max_queue=shadow.max_queue,
        max_queued_bytes=byte_count(shadow.max_queued),
    )
    return {SHADOW_FILE: readable_json(settings.to_plain(traffic)) + "\n"}


@remembered
def _own_text(service: ResolvedService) -> str:
    return settings_text(server_settings(service))


def settings_text(given: ServerSettings) -> str:
    """The text of the settings file, laid out for a reviewer."""
    return readable_json(settings.to_plain(given)) + "\n"


@remembered
def server_settings(service: ResolvedService) -> ServerSettings:
    """The server's settings. Sizes are in bytes, times in the unit of their name."""
    spec = service.spec
    limits = spec.api.limits
    return ServerSettings(
        name=spec.name,
        environment=service.environment.name,
        description=spec.description or "",
        base_path=spec.base_path,
        port=names.HTTP_PORT,
        models=tuple(settings.ModelPlace(m.name, model_path(m)) for m in service.models),
        runtime=spec.runtime,
        onnx_tolerance=spec.onnx_tolerance,
        trust=_trust(spec.trust),
        input=_input(service.input),
        params=tuple(map(_param, service.params)) or None,
        outputs=spec.api.outputs,
        limits=settings.Limits(
            max_body_bytes=byte_count(limits.max_body),
            max_rows=limits.max_rows,
            max_queue=limits.max_queue,
            max_buffered_bytes=byte_count(limits.max_buffered) if limits.max_buffered else None,
            timeout_seconds=limits.timeout_seconds,
        ),
        error_style=spec.api.error_style,
        shutdown=settings.Shutdown(spec.shutdown.request_seconds),
        events=_events(service),
        metrics=settings.Metrics(latency_buckets(service), _drift(spec.monitoring)),
        graph=_graph(spec.graph) if spec.graph is not None else None,
        batching=_batching(spec.api.batching),
        api_keys=_api_keys(spec.api.auth),
        cors=_cors(spec.api),
        protocols=spec.api.protocols or None,
        path_prefix=path_prefix(spec, service.environment) or None,
        log=_log(spec.logging),
        variant_file=f"{names.POD_INFO_FOLDER}/{names.VARIANT_FILE}"
        if has_variants(service)
        else None,
    )


def has_variants(service: ResolvedService) -> bool:
    """Whether a label tells each pod its variant: its side of a rollout, or that it is a shadow."""
    return service.rollouts is not None or bool(service.shadow_of)


def _log(given: observability.Logging) -> settings.Log | None:
    log = settings.Log(given.level, given.format)
    return log if log != settings.Log() else None


def _drift(given: observability.Monitoring) -> bool | settings.Drift:
    """True for a section that changes thresholds alone: those are of the rules, not of the server."""
    watched = given.watched
    if watched is None:
        return False
    drift = settings.Drift(
        watched.baseline_rows, watched.max_columns, watched.columns, watched.rows_per_second
    )
    return drift if drift != settings.Drift() else True


def _trust(given: Trust) -> settings.Trust:
    return settings.Trust(given.pickle, given.code, given.skops_types)


def _input(given: api.Input) -> settings.Input:
    tensor, tensors = given.tensor, given.tensors
    return settings.Input(
        columns=tuple(map(_column, given.columns)) if given.columns is not None else None,
        tensor=_tensor(tensor) if tensor is not None else None,
        example=given.example,
        tensors=tuple(map(_tensor, tensors)) if tensors is not None else None,
        unknown_columns=given.unknown_columns if given.unknown_columns != "refuse" else None,
    )


def _tensor(given: api.Tensor) -> settings.Tensor:
    return settings.Tensor(given.dtype, given.shape, given.name)


def _column(given: columns.Column) -> settings.Column:
    return settings.Column(given.name, given.type, given.required, **_constraints(given))


def _element(given: columns.Element | None) -> settings.Element | None:
    return settings.Element(given.type, **_constraints(given)) if given is not None else None


def _param(given: columns.Param) -> settings.Param:
    return settings.Param(given.name, given.type, given.default, **_constraints(given))


def _constraints(given: columns.Constraints) -> dict[str, Any]:
    properties = given.properties
    return {
        "nullable": given.nullable,
        "minimum": given.minimum,
        "maximum": given.maximum,
        "enum": given.enum,
        "items": _element(given.items),
        "values": _element(given.values),
        "properties": tuple(map(_column, properties)) if properties is not None else None,
    }


def _events(service: ResolvedService) -> settings.Events:
    logging = service.spec.logging
    shipped = tuple(kind for kind, _ in service.topics.shipped())
    return settings.Events(
        folder=names.EVENTS_FOLDER,
        source=f"/{service.namespace}/{service.name}",
        kinds=shipped,
        max_event_bytes=largest_event_bytes(service),
        disk_budget_bytes=byte_count(logging.disk_budget),
        when_full=logging.when_full,
        durability=logging.durability if logging.durability != "process" else None,
        registry=names.FILEBEAT_REGISTRY_FOLDER if shipped else None,
        predictions=_prediction_log(logging.predictions, service.spec.unit_key),
    )


def _prediction_log(
    given: observability.PredictionLog | None, unit: str | None
) -> settings.PredictionLog | None:
    if given is None:
        return None
    return settings.PredictionLog(given.sample, given.inputs, given.outputs, given.redact, unit)


def _batching(given: api.Batching | None) -> settings.Batching | None:
    if given is None:
        return None
    return settings.Batching(given.max_batch_size, float(given.max_latency_ms))


def _api_keys(auth: api.Auth | None) -> settings.ApiKeys | None:
    if auth is None:
        return None
    keys = auth.api_keys
    return settings.ApiKeys(f"{API_KEYS_FOLDER}/{keys.key}", keys.header)


def _cors(given: api.Api) -> settings.Cors | None:
    if given.cors is None:
        return None
    headers = given.cors.headers
    if given.auth is not None:
        headers = tuple(dict.fromkeys((*headers, given.auth.api_keys.header)))
    return settings.Cors(
        origins=given.cors.origins,
        methods=given.cors.methods,
        headers=headers,
        max_age_seconds=given.cors.max_age_seconds,
    )


def _graph(given: graph.Graph) -> settings.Graph:
    match given:
        case graph.Split():
            branches = (settings.Branch(_node(b.node), b.weight, b.name) for b in given.branches)
            return settings.Split(tuple(branches), given.sticky_by)
        case graph.Router():
            cases = (settings.Case(case.equals, _node(case.node)) for case in given.cases)
            return settings.Router(given.column, tuple(cases), _node(given.otherwise))
        case graph.Chain():
            return settings.Chain(tuple(map(_node, given.steps)))
        case graph.Ensemble():
            return settings.Ensemble(tuple(map(_node, given.nodes)), given.combine)
        case graph.Bandit():
            return settings.Bandit(
                arms=tuple(map(_node, given.arms)),
                algorithm=given.algorithm,
                epsilon=given.epsilon,
                reward=given.reward,
                minimum_pulls=given.minimum_pulls,
            )


def _node(given: graph.Node) -> settings.Node:
    return given if isinstance(given, str) else _graph(given)


def model_path(model: ResolvedModel) -> str:
    """The path at which the server finds a model: fetched, or part of the image."""
    if is_in_image(model):
        return model.artifact.source
    return f"{names.MODELS_FOLDER}/{model.name}"


def is_in_image(model: ResolvedModel) -> bool:
    """Whether the image already holds the artifact, so that nothing is fetched."""
    return parse_artifact_uri(model.artifact.uri).kind is ArtifactKind.IN_IMAGE


def fetch_argument(model: ResolvedModel) -> str:
    """`--artifact=<name>=<source>#sha256=<hex>`: what the init container fetches and verifies."""
    artifact = model.artifact
    return f"--artifact={Pin(model.name, artifact.source or artifact.uri, artifact.sha256)}"


def serve_argument(model: ResolvedModel) -> str:
    """`--model=<name>=<version>#sha256=<hex>`: what the server reports that it serves."""
    return f"--model={served_pin(model)}"


def served_pin(model: ResolvedModel) -> Pin:
    """A model's version and digest, from which the server's metrics have their version."""
    artifact = model.artifact
    return Pin(model.name, artifact.version or "-", artifact.sha256)


def mlflow_uri(service: ResolvedService) -> str:
    """The address at which pods reach MLflow, where MLflow serves the artifacts; else empty."""
    mlflow = service.environment.mlflow
    proxied = any(m.artifact.source.startswith("mlflow-artifacts:") for m in service.models)
    if mlflow is None or not proxied:
        return ""
    if mlflow.cluster_uri:
        return mlflow.cluster_uri
    return mlflow.tracking_uri if mlflow.tracking_uri.startswith("http") else ""
