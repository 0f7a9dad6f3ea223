"""All manifests of an environment: every builder called in turn.

To add an object, write `build_<kind>` in the module of its concern and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from servestack.errors import BuildError, Problem
from servestack.manifests.access import (
    build_network_policy,
    build_service_account,
    build_solver_network_policy,
)
from servestack.manifests.autoscaling import (
    build_horizontal_pod_autoscaler,
    build_scaled_object,
)
from servestack.manifests.environment import (
    build_default_network_policy,
    build_fleet_dashboard_config_map,
    build_namespace,
)
from servestack.manifests.log_shipping import build_filebeat_config_map
from servestack.manifests.manifest import ENVIRONMENT_GROUP, Body, Manifest
from servestack.manifests.monitoring import (
    build_dashboard_config_map,
    build_pod_monitor,
    build_prometheus_rule,
    build_rules_config_map,
)
from servestack.manifests.network import (
    build_canary_service,
    build_http_route,
    build_ingress,
    build_service,
    build_stable_service,
)
from servestack.manifests.patches import apply_patches
from servestack.manifests.rollout import (
    build_checks_analysis_template,
    build_requests_analysis_template,
    build_rollout,
)
from servestack.manifests.server_settings import build_server_config_map
from servestack.manifests.shadow import SHADOW, SHADOW_BUILDERS
from servestack.manifests.topics import (
    build_access_kafka_topic,
    build_custom_kafka_topic,
    build_feedback_kafka_topic,
    build_predictions_kafka_topic,
)
from servestack.manifests.workload import build_deployment, build_pod_disruption_budget
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Environment

EnvironmentBuilder = Callable[[Environment], Body | None]
ServiceBuilder = Callable[[ResolvedService], Body | None]

ENVIRONMENT_BUILDERS: tuple[tuple[str, EnvironmentBuilder], ...] = (
    ("environment", build_namespace),
    ("environment", build_default_network_policy),
    ("environment", build_fleet_dashboard_config_map),
)
SERVICE_BUILDERS: tuple[tuple[str, ServiceBuilder], ...] = (
    ("access", build_service_account),
    ("access", build_network_policy),
    ("access", build_solver_network_policy),
    ("topics", build_predictions_kafka_topic),
    ("topics", build_feedback_kafka_topic),
    ("topics", build_access_kafka_topic),
    ("topics", build_custom_kafka_topic),
    ("log_shipping", build_filebeat_config_map),
    ("workload", build_server_config_map),
    ("workload", build_checks_analysis_template),
    ("workload", build_requests_analysis_template),
    ("workload", build_deployment),
    ("workload", build_rollout),
    ("workload", build_pod_disruption_budget),
    ("autoscaling", build_horizontal_pod_autoscaler),
    ("autoscaling", build_scaled_object),
    ("network", build_service),
    ("network", build_stable_service),
    ("network", build_canary_service),
    ("network", build_ingress),
    ("network", build_http_route),
    ("monitoring", build_pod_monitor),
    ("monitoring", build_prometheus_rule),
    ("monitoring", build_rules_config_map),
    ("monitoring", build_dashboard_config_map),
    *((SHADOW, build) for build in SHADOW_BUILDERS),
)
"""(concern, builder) in the order in which objects are applied. A concern's builders are adjacent."""


def build_manifests(
    environment: Environment, source: str, services: Sequence[ResolvedService]
) -> tuple[Manifest, ...]:
    """The environment's own objects, then each model's.

    `source` is the environment's file, relative to the project. Raises BuildError with the problems
    of all models.
    """
    manifests = build_environment_manifests(environment, source)
    problems: list[Problem] = []
    for service in services:
        try:
            manifests += build_service_manifests(service)
        except BuildError as error:
            problems += error.problems
    if problems:
        raise BuildError(problems)
    return tuple(manifests)


def build_environment_manifests(environment: Environment, source: str) -> list[Manifest]:
    """The environment's own objects."""
    return [
        Manifest(ENVIRONMENT_GROUP, concern, dotted_name(build), source, body)
        for concern, build in ENVIRONMENT_BUILDERS
        if (body := build(environment)) is not None
    ]


def build_service_manifests(service: ResolvedService) -> list[Manifest]:
    """The objects of one model, patched. Raises BuildError for a patch that does not fit them."""
    built = [
        Manifest(service.name, concern, dotted_name(build), service.source, body)
        for concern, build in SERVICE_BUILDERS
        if (body := build(service)) is not None
    ]
    return apply_patches(service, built) if service.spec.patches else built


def dotted_name(build: Callable[..., object]) -> str:
    """A builder's module and name: `servestack.manifests.workload.build_deployment`."""
    return f"{build.__module__}.{build.__qualname__}"
