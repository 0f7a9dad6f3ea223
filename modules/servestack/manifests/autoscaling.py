"""The number of pods: HorizontalPodAutoscaler."""

from __future__ import annotations

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.resolve.resolved import ResolvedService
from servestack.spec.quantities import written_count
from servestack.spec.scaling import Autoscaling
from servestack_contract.metrics import IN_FLIGHT


def build_horizontal_pod_autoscaler(service: ResolvedService) -> Body | None:
    """The HorizontalPodAutoscaler; None where the spec has no autoscaling.

    It scales by CPU, and by requests in flight where the environment has custom metrics.
    """
    scaling = service.spec.autoscaling
    if scaling is None:
        return None
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": names.metadata(service, service.name),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": service.name,
            },
            "minReplicas": scaling.min,
            "maxReplicas": scaling.max,
            "metrics": _metrics(service, scaling),
            "behavior": _behavior(scaling),
        },
    }


def _metrics(service: ResolvedService, scaling: Autoscaling) -> list[Body]:
    metrics: list[Body] = []
    custom = service.environment.metrics.custom_metrics != "none"
    if custom and scaling.in_flight_per_pod is not None:
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
