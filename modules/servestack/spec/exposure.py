"""How a model is reached and what its pods may reach."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from servestack.spec.base import Boolean, DnsName, LabelKey, LabelValue, Port, SpecModel
from servestack.spec.merging import Merged
from servestack.spec.patterns import described

CIDR = described(
    r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$|^[0-9a-fA-F:]+/\d{1,3}$",
    "an address range, such as 10.0.0.0/8",
)

Cidr = Annotated[
    str,
    StringConstraints(pattern=CIDR, max_length=49),
]


class Service(SpecModel):
    """The Service inside the cluster."""

    port: Port = Field(default=80, description="Port of the Service, for callers in the cluster.")
    callers: Annotated[tuple[DnsName, ...], Merged()] = Field(
        default=(),
        description="Namespaces whose pods may call, besides the ingress and Prometheus namespaces.",
    )


class IngressTls(SpecModel):
    """TLS for external access."""

    secret: DnsName = Field(description="Secret of type kubernetes.io/tls with the certificate.")


class Ingress(SpecModel):
    """External access, through the environment's ingress controller or gateway."""

    enabled: Boolean = Field(
        default=True, description="Whether the model is reachable from outside the cluster."
    )
    host: DnsName | None = Field(
        default=None, description="Host name. Default: <name>.<the environment's host suffix>."
    )
    tls: IngressTls | None = Field(
        default=None, description="Certificate for the host. Default: the environment's."
    )
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations for the ingress controller."
    )


class EgressRule(SpecModel):
    """A destination that the model's own code needs, such as a feature store."""

    cidr: Cidr | None = Field(default=None, description="Address range.")
    namespace: DnsName | None = Field(default=None, description="Namespace in this cluster.")
    pod_labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Allow only pods with these labels; used with `namespace`."
    )
    ports: tuple[Port, ...] = Field(min_length=1, description="TCP ports.")
