"""How a model is monitored: PodMonitor or annotations, rules, dashboard."""

from __future__ import annotations

from servestack.manifests import names
from servestack.manifests.dashboards import dashboard_text
from servestack.manifests.manifest import Body
from servestack.manifests.rules import rule_groups, threshold_seconds
from servestack.resolve.resolved import ResolvedService
from servestack.yaml_writer import dump
from servestack_contract import routes
from servestack_contract.metrics import REQUEST_SECONDS_BUCKETS


def latency_buckets(service: ResolvedService) -> tuple[float, ...]:
    """Upper bounds of the buckets in seconds, ascending; the latency objective is one of them."""
    slo = service.spec.monitoring.slo
    extra = (threshold_seconds(slo.latency),) if slo is not None and slo.latency else ()
    return tuple(sorted({*REQUEST_SECONDS_BUCKETS, *extra}))


DEFAULT_SCRAPE_SECONDS = 15
SCALING_SCRAPE_SECONDS = 5
"""Of a model that scales on requests in flight: the interval counts in full towards the time until
an autoscaler sees more load (docs/adr/0021)."""


def scales_on_in_flight(service: ResolvedService) -> bool:
    """Whether an autoscaler looks at the model's requests in flight."""
    scaling = service.spec.autoscaling
    has_source = service.environment.metrics.custom_metrics != "none"
    return has_source and scaling is not None and scaling.in_flight_per_pod is not None


def scrape_interval_seconds(service: ResolvedService) -> int:
    """Time between two scrapes of a pod. Without the operator it is what the spec expects it to be:
    the cluster's Prometheus decides it."""
    written = service.spec.monitoring.scrape_interval_seconds
    if written is not None:
        return written
    prometheus = service.environment.prometheus
    is_ours = prometheus is not None and prometheus.style == "operator"
    return (
        SCALING_SCRAPE_SECONDS
        if is_ours and scales_on_in_flight(service)
        else DEFAULT_SCRAPE_SECONDS
    )


def scrape_annotations(service: ResolvedService) -> dict[str, str]:
    """Pod annotations by which a Prometheus without operator finds the pods; else empty."""
    prometheus = service.environment.prometheus
    if prometheus is None or prometheus.style != "annotations":
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(names.HTTP_PORT),
        "prometheus.io/path": routes.METRICS,
    }


def build_pod_monitor(service: ResolvedService) -> Body | None:
    """The PodMonitor; None unless the environment has the Prometheus operator."""
    prometheus = service.environment.prometheus
    if prometheus is None or prometheus.style != "operator":
        return None
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": names.metadata(service, service.name, extra_labels=dict(prometheus.labels)),
        "spec": {
            "selector": {"matchLabels": names.selector(service)},
            "podMetricsEndpoints": [
                {
                    "port": names.HTTP_PORT_NAME,
                    "path": routes.METRICS,
                    "interval": f"{scrape_interval_seconds(service)}s",
                    # Otherwise the operator overwrites the request's `endpoint` label with its own.
                    "honorLabels": True,
                }
            ],
        },
    }


def build_prometheus_rule(service: ResolvedService) -> Body | None:
    """The PrometheusRule with objectives and alerts; None without the operator or without rules."""
    prometheus = service.environment.prometheus
    if prometheus is None or prometheus.style != "operator":
        return None
    groups = rule_groups(service)
    if not groups:
        return None
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": names.metadata(service, service.name, extra_labels=dict(prometheus.labels)),
        "spec": {"groups": groups},
    }


def build_rules_config_map(service: ResolvedService) -> Body | None:
    """The same rules as a file in a ConfigMap, for a Prometheus without operator; else None."""
    prometheus = service.environment.prometheus
    if prometheus is None or prometheus.style != "annotations":
        return None
    groups = rule_groups(service)
    if not groups:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(
            service, f"{service.name}-rules", extra_labels={"prometheus_rules": "1"}
        ),
        "data": {names.rules_file(service): dump({"groups": groups})},
    }


def build_dashboard_config_map(service: ResolvedService) -> Body | None:
    """The ConfigMap with the Grafana dashboard; None unless spec and environment want one."""
    grafana = service.environment.grafana
    if grafana is None or not service.spec.monitoring.dashboard:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(
            service,
            names.dashboard_name(service),
            extra_labels={grafana.label: "1"},
            annotations=names.grafana_annotations(grafana),
        ),
        "data": {names.dashboard_file(service): dashboard_text(service)},
    }
