"""How a model is reached and what its pods may reach."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from servestack.spec.base import Boolean, DnsName, LabelKey, LabelValue, Port, SpecModel
from servestack.spec.patterns import described

CIDR = described(
    r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$|^[0-9a-fA-F:]+/\d{1,3}$",
    "a range of addresses, such as 10.0.0.0/8",
)

Cidr = Annotated[
    str,
    StringConstraints(pattern=CIDR, max_length=49),
]


class Service(SpecModel):
    """The Service inside the cluster."""

    port: Port = Field(default=80, description="Port that callers in the cluster use.")
    callers: tuple[DnsName, ...] = Field(
        default=(),
        description="Namespaces whose pods may call, beside the environment's way in.",
    )


class IngressTls(SpecModel):
    """TLS at the edge."""

    secret: DnsName = Field(description="Secret of type kubernetes.io/tls with the certificate.")


class Ingress(SpecModel):
    """The way in from outside the cluster, through the environment's ingress or gateway."""

    enabled: Boolean = Field(default=True, description="false: reachable in the cluster only.")
    host: DnsName | None = Field(
        default=None, description="Host name. Left out: <name>.<the environment's host suffix>."
    )
    tls: IngressTls | None = Field(
        default=None, description="Certificate of its own; left out: the environment's."
    )
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations for the ingress controller."
    )


class EgressRule(SpecModel):
    """An address outside that the model's code needs, such as a feature store."""

    cidr: Cidr | None = Field(default=None, description="Range of addresses.")
    namespace: DnsName | None = Field(default=None, description="Namespace of this cluster.")
    pod_labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Only pods with these labels, with `namespace`."
    )
    ports: tuple[Port, ...] = Field(min_length=1, description="TCP ports.")
