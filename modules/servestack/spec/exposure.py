"""How a model is reached and what its pods may reach."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from servestack.spec.base import (
    Boolean,
    DnsName,
    HttpPath,
    LabelKey,
    LabelValue,
    Port,
    SpecModel,
)
from servestack.spec.merging import Merged
from servestack.spec.patterns import described

CIDR = described(
    r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$|^[0-9a-fA-F:]+/\d{1,3}$",
    "an address range, such as 10.0.0.0/8",
)
HOST_NAME = described(
    r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "a host name, such as iris.example.com, or *.example.com for every name below one",
)

Cidr = Annotated[
    str,
    StringConstraints(pattern=CIDR, max_length=49),
]
HostName = Annotated[
    str,
    StringConstraints(pattern=HOST_NAME, min_length=1, max_length=253),
]


class Service(SpecModel):
    """The Service inside the cluster."""

    port: Port = Field(default=80, description="Port of the Service, for callers in the cluster.")
    callers: Annotated[tuple[DnsName, ...], Merged()] = Field(
        default=(),
        description="Namespaces whose pods may call, besides the ingress and Prometheus namespaces.",
    )


class CertificateIssuer(SpecModel):
    """An issuer of cert-manager, which makes the certificate and renews it."""

    name: DnsName = Field(description="Name of the issuer.")
    kind: Literal["ClusterIssuer", "Issuer"] = Field(
        default="ClusterIssuer",
        description="`ClusterIssuer` serves all namespaces, `Issuer` its own.",
    )


class IngressTls(SpecModel):
    """TLS for external access: a certificate that exists, or an issuer that makes one."""

    secret: DnsName | None = Field(
        default=None,
        description="Secret of type kubernetes.io/tls with the certificate. Default with an "
        "issuer: <name>-tls, which cert-manager writes.",
    )
    issuer: CertificateIssuer | None = Field(
        default=None,
        description="cert-manager's issuer of the certificate, which then covers every host.",
    )


class HostTls(SpecModel):
    """The certificate of one host."""

    secret: DnsName = Field(description="Secret of type kubernetes.io/tls with the certificate.")


class PublicHost(SpecModel):
    """A host name with a certificate of its own."""

    host: HostName = Field(description="Host name; *.example.com for every name below one.")
    tls: HostTls | None = Field(
        default=None, description="Certificate for this host. Default: that of `ingress.tls`."
    )


Host = Annotated[
    Annotated[HostName, Tag("name")] | Annotated[PublicHost, Tag("host")],
    Discriminator(lambda value: "host" if isinstance(value, (dict, PublicHost)) else "name"),
]


class Ingress(SpecModel):
    """External access, through the environment's ingress controller or gateway."""

    enabled: Boolean = Field(
        default=True, description="Whether the model is reachable from outside the cluster."
    )
    host: HostName | None = Field(
        default=None, description="Host name. Default: <name>.<the environment's host suffix>."
    )
    hosts: tuple[Host, ...] = Field(
        default=(),
        description="Several host names, instead of `host`: each a name, or a section with a "
        "certificate of its own. The first one is the model's address.",
        examples=[["iris.example.com", {"host": "*.example.org", "tls": {"secret": "org-tls"}}]],
    )
    path_prefix: HttpPath | None = Field(
        default=None,
        description="Path in front of the model's public paths, such as /ml: "
        "https://<host>/ml/v1/iris/predict. The server answers there itself, so no controller has "
        "to rewrite anything. Default: the environment's.",
    )
    tls: IngressTls | None = Field(
        default=None,
        description="Certificate for the hosts. Default: the environment's. A Gateway's listener "
        "has its certificate itself.",
    )
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations for the ingress controller."
    )


class PortRange(SpecModel):
    """A range of ports, as in the Kubernetes API."""

    port: Port = Field(description="First port.")
    end_port: Port = Field(description="Last port.")


Ports = Annotated[
    Annotated[Port, Tag("port")] | Annotated[PortRange, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, (dict, PortRange)) else "port"),
]
"""One port, or a range of them."""
Protocol = Literal["TCP", "UDP", "SCTP"]


class EgressRule(SpecModel):
    """A destination that the model's own code needs, such as a feature store."""

    cidr: Cidr | None = Field(default=None, description="Address range.")
    namespace: DnsName | None = Field(default=None, description="Namespace in this cluster.")
    pod_labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Allow only pods with these labels; used with `namespace`."
    )
    ports: tuple[Ports, ...] = Field(
        min_length=1,
        description="Ports, each a number or a range.",
        examples=[[5432, {"port": 30000, "endPort": 32767}]],
    )
    protocol: Protocol = Field(
        default="TCP", description="Transport protocol, such as UDP for statsd or a tracing agent."
    )
