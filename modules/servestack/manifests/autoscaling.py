"""The number of pods: HorizontalPodAutoscaler, or KEDA's ScaledObject."""

from __future__ import annotations

import json

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.manifests.monitoring import scales_on_in_flight, scrape_interval_seconds
from servestack.resolve.resolved import ResolvedService
from servestack.spec.custom_metrics import Keda
from servestack.spec.quantities import written_count
from servestack.spec.scaling import Autoscaling
from servestack_contract.metrics import IN_FLIGHT, IN_FLIGHT_SECONDS

WINDOW_SECONDS = 30
"""Time over which requests in flight are averaged (docs/adr/0021); the rule of
monitoring/adapter has the same."""
_SCRAPES_IN_WINDOW = 4
"""So that a rate survives a missed scrape: it needs two samples."""
_FAILURES_BEFORE_FALLBACK = 3


def build_horizontal_pod_autoscaler(service: ResolvedService) -> Body | None:
    """The HorizontalPodAutoscaler; None where the spec has no autoscaling, or KEDA makes it.

    It scales by CPU, and by requests in flight where the environment has custom metrics.
    """
    scaling = service.spec.autoscaling
    if scaling is None or _keda(service) is not None:
        return None
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": names.metadata(service, service.name),
        "spec": {
            "scaleTargetRef": _target(service),
            "minReplicas": scaling.min,
            "maxReplicas": scaling.max,
            "metrics": _metrics(service, scaling),
            "behavior": _behavior(scaling),
        },
    }


def build_scaled_object(service: ResolvedService) -> Body | None:
    """KEDA's ScaledObject; None unless the environment has KEDA and the spec inFlightPerPod.

    KEDA makes a HorizontalPodAutoscaler `keda-hpa-<name>` of it.
    """
    scaling, keda = service.spec.autoscaling, _keda(service)
    if scaling is None or keda is None:
        return None
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": names.metadata(service, service.name),
        # KEDA writes the whole object back and leaves out what is false or zero: such a field
        # would be drift for ever. So restoreToOriginalReplicaCount, which is false, is not written.
        "spec": {
            "scaleTargetRef": _target(service),
            "minReplicaCount": scaling.min,
            "maxReplicaCount": scaling.max,
            # Prometheus is away: keep the pods that there are. CPU may still add some.
            "fallback": {
                "behavior": "currentReplicasIfHigher",
                "failureThreshold": _FAILURES_BEFORE_FALLBACK,
                "replicas": scaling.min,
            },
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(scaling)}},
            "triggers": _triggers(service, scaling, keda),
        },
    }


def _keda(service: ResolvedService) -> Keda | None:
    """Settings of KEDA where it scales this model."""
    metrics = service.environment.metrics
    by_keda = metrics.custom_metrics == "keda" and scales_on_in_flight(service)
    return metrics.keda if by_keda else None


def _target(service: ResolvedService) -> Body:
    if service.rollouts is not None:
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": service.name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name}


def _metrics(service: ResolvedService, scaling: Autoscaling) -> list[Body]:
    metrics: list[Body] = []
    if scales_on_in_flight(service) and scaling.in_flight_per_pod is not None:
        metrics.append(
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": IN_FLIGHT.name},
                    "target": {
                        "type": "AverageValue",
                        "averageValue": written_count(scaling.in_flight_per_pod),
                    },
                },
            }
        )
    if scaling.cpu_percent is not None:
        # The server's own CPU: a sidecar without load would dilute the pod's average.
        metrics.append(
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": names.SERVER_CONTAINER,
                    "target": {"type": "Utilization", "averageUtilization": scaling.cpu_percent},
                },
            }
        )
    return metrics


def _triggers(service: ResolvedService, scaling: Autoscaling, keda: Keda) -> list[Body]:
    metadata = {
        "serverAddress": keda.server_address.rstrip("/"),
        "query": in_flight_query(service),
        "threshold": str(scaling.in_flight_per_pod),
        # No samples is no zero: it would take pods away from a model that nobody scrapes.
        "ignoreNullValues": "false",
    }
    if keda.tenant_namespace is not None:
        metadata["namespace"] = keda.tenant_namespace
    in_flight: Body = {
        "type": "prometheus",
        "name": "requests-in-flight",
        "metricType": "AverageValue",
        "metadata": metadata,
    }
    if keda.authentication is not None:
        metadata["authModes"] = ",".join(keda.authentication.modes)
        in_flight["authenticationRef"] = {
            "kind": keda.authentication.kind,
            "name": keda.authentication.name,
        }
    triggers = [in_flight]
    if scaling.cpu_percent is not None:
        triggers.append(
            {
                "type": "cpu",
                "name": "cpu",
                "metricType": "Utilization",
                "metadata": {
                    "value": str(scaling.cpu_percent),
                    "containerName": names.SERVER_CONTAINER,
                },
            }
        )
    return triggers


def in_flight_query(service: ResolvedService) -> str:
    """PromQL for the mean number of requests in flight, over all pods of the model."""
    window = max(WINDOW_SECONDS, _SCRAPES_IN_WINDOW * scrape_interval_seconds(service))
    environment, name = json.dumps(service.environment.name), json.dumps(service.name)
    labels = f"environment={environment},model_service={name}"
    return f"sum(rate({IN_FLIGHT_SECONDS.name}{{{labels}}}[{window}s]))"


def _behavior(scaling: Autoscaling) -> Body:
    """Scale up at once, scale down slowly."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": scaling.scale_down.stabilization_seconds,
            "policies": [
                {
                    "type": "Percent",
                    "value": scaling.scale_down.percent_per_minute,
                    "periodSeconds": 60,
                }
            ],
        },
    }
