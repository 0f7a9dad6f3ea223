"""The objects of a model's shadow: pods of their own that get copies of its requests.

Each is built as the model's own are, for the service that `resolve.shadow` derives. There is no
autoscaler, no ingress, no alert and no PodDisruptionBudget: no caller waits for a shadow.
"""

from __future__ import annotations

from collections.abc import Callable

from servestack.manifests.access import build_network_policy
from servestack.manifests.log_shipping import build_filebeat_config_map
from servestack.manifests.manifest import Body
from servestack.manifests.monitoring import build_pod_monitor
from servestack.manifests.network import build_service
from servestack.manifests.remembered import remembered
from servestack.manifests.server_settings import build_server_config_map
from servestack.manifests.workload import build_deployment
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.shadow import shadow_service

SHADOW = "shadow"
"""The concern of a shadow's objects."""

_shadow = remembered(shadow_service)


def build_shadow_network_policy(service: ResolvedService) -> Body | None:
    """The NetworkPolicy of the shadow's pods: the model's pods and Prometheus may ask them."""
    return _of_shadow(service, build_network_policy)


def build_shadow_filebeat_config_map(service: ResolvedService) -> Body | None:
    """The ConfigMap of the shadow's Filebeat, which ships to the model's topic."""
    return _of_shadow(service, build_filebeat_config_map)


def build_shadow_server_config_map(service: ResolvedService) -> Body | None:
    """The ConfigMap with the settings of the shadow's server."""
    return _of_shadow(service, build_server_config_map)


def build_shadow_deployment(service: ResolvedService) -> Body | None:
    """The Deployment of the shadow."""
    return _of_shadow(service, build_deployment)


def build_shadow_service(service: ResolvedService) -> Body | None:
    """The Service at which the model's pods reach the shadow."""
    return _of_shadow(service, build_service)


def build_shadow_pod_monitor(service: ResolvedService) -> Body | None:
    """The PodMonitor of the shadow's pods."""
    return _of_shadow(service, build_pod_monitor)


def _of_shadow(
    service: ResolvedService, build: Callable[[ResolvedService], Body | None]
) -> Body | None:
    shadow = _shadow(service)
    return build(shadow) if shadow is not None else None


SHADOW_BUILDERS: tuple[Callable[[ResolvedService], Body | None], ...] = (
    build_shadow_network_policy,
    build_shadow_filebeat_config_map,
    build_shadow_server_config_map,
    build_shadow_deployment,
    build_shadow_service,
    build_shadow_pod_monitor,
)
"""In the order in which objects are applied."""
