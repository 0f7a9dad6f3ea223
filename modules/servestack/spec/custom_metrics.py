"""Where autoscalers get the number of requests in flight from: an environment's `metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from servestack.spec.base import DnsName, HttpUrl, SpecModel, Text
from servestack.spec.faults import Fault

AuthMode = Literal["bearer", "basic", "tls", "oauth", "custom"]


class KedaAuthentication(SpecModel):
    """A TriggerAuthentication with KEDA's credentials for Prometheus."""

    name: DnsName = Field(description="Name of the object.")
    kind: Literal["TriggerAuthentication", "ClusterTriggerAuthentication"] = Field(
        default="TriggerAuthentication",
        description="`TriggerAuthentication` lies in the namespace of the models.",
    )
    modes: tuple[AuthMode, ...] = Field(
        default=("bearer",), min_length=1, description="What it holds, as KEDA's authModes."
    )


class Keda(SpecModel):
    """The Prometheus that KEDA asks for the number of requests in flight."""

    server_address: HttpUrl = Field(
        description="Address of Prometheus' API as KEDA's operator reaches it, or of what speaks "
        "the same: Thanos, Mimir, VictoriaMetrics.",
        examples=["http://prometheus.monitoring.svc:9090"],
    )
    tenant_namespace: Text | None = Field(
        default=None,
        description="Value of the parameter `namespace` of each query, which the tenancy port of "
        "OpenShift's Thanos asks for.",
    )
    authentication: KedaAuthentication | None = Field(
        default=None, description="Credentials for Prometheus. Default: none are sent."
    )


class MetricsApi(SpecModel):
    """Metrics that the autoscaler can use."""

    custom_metrics: Literal["none", "prometheus-adapter", "keda"] = Field(
        default="none",
        description="Who tells autoscalers the number of requests in flight. `prometheus-adapter` "
        "serves the API custom.metrics.k8s.io to a HorizontalPodAutoscaler. With `keda` models that "
        "have `autoscaling.inFlightPerPod` get a ScaledObject in its place.",
    )
    keda: Keda | None = Field(
        default=None, description="KEDA's Prometheus; required with customMetrics: keda."
    )


def metrics_faults(metrics: MetricsApi) -> Iterator[Fault]:
    """Yield every fault between the fields of `metrics`."""
    engine = (("metrics", "customMetrics"),)
    if metrics.custom_metrics == "keda" and metrics.keda is None:
        yield Fault(
            "SRV242",
            ("metrics", "keda"),
            "is required by customMetrics: keda, which asks Prometheus itself",
            "write keda: {serverAddress: http://prometheus.monitoring.svc:9090}",
            engine,
        )
    if metrics.keda is None:
        return
    if metrics.custom_metrics != "keda":
        yield Fault(
            "SRV243",
            ("metrics", "keda"),
            f"has no meaning with customMetrics: {metrics.custom_metrics}",
            "remove it, or write customMetrics: keda",
            engine,
        )
    address = urlsplit(metrics.keda.server_address)
    if address.query or address.fragment or address.path.rstrip("/").endswith("/api/v1"):
        yield Fault(
            "SRV244",
            ("metrics", "keda", "serverAddress"),
            "must end before /api/v1, which KEDA adds",
            "write the root of Prometheus, such as http://prometheus.monitoring.svc:9090",
        )
    authentication = metrics.keda.authentication
    modes = authentication.modes if authentication is not None else ()
    both = [mode for mode in ("bearer", "basic", "oauth") if mode in modes]
    if len(both) > 1 or len(set(modes)) < len(modes):
        yield Fault(
            "SRV245",
            ("metrics", "keda", "authentication", "modes"),
            f"{', '.join(modes)} cannot be sent together: each is an Authorization header"
            if len(both) > 1
            else f"{', '.join(modes)} names one twice",
            "keep one of them, with tls beside it if Prometheus asks for a certificate",
        )
