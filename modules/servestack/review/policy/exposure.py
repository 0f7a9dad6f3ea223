"""Rules on how a model is reached from outside the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network

from servestack.manifests.access import left_out
from servestack.resolve.addresses import certificate_issuer
from servestack.review.policy.rule import Subject, Violation, rule
from servestack.spec.environment import Gateway, IngressController
from servestack.spec.exposure import Host, PortRange, PublicHost

_METADATA_ADDRESSES = (ip_address("169.254.169.254"), ip_address("fd00:ec2::254"))
"""Where AWS, Azure, Google and others hand out a node's credentials."""
_METADATA_PORT = 80


@rule("SRV681", "warning", "asks of a Gateway only what a route can say")
def certificate_of_gateway(subject: Subject) -> Iterator[Violation]:
    spec = subject.service.spec
    if not subject.service.hosts or not isinstance(subject.service.environment.ingress, Gateway):
        return
    hint = (
        "give the certificate, or cert-manager's annotation, to the Gateway's listener, and remove "
        "it here"
    )
    message = "has no effect with a Gateway, whose listener holds the certificate"
    if spec.ingress.tls is not None:
        yield Violation(("ingress", "tls"), message, hint)
    for index, host in enumerate(spec.ingress.hosts):
        if isinstance(host, PublicHost) and host.tls is not None:
            yield Violation(("ingress", "hosts", index, "tls"), message, hint)


@rule("SRV682", "error", "keeps its own certificates from being overwritten")
def own_certificate(subject: Subject) -> Iterator[Violation]:
    spec, environment = subject.service.spec, subject.service.environment
    issuer = certificate_issuer(spec, environment)
    if issuer is None or (spec.ingress.tls is not None and spec.ingress.tls.issuer is not None):
        return
    for index, host in enumerate(spec.ingress.hosts):
        if isinstance(host, PublicHost) and host.tls is not None:
            yield Violation(
                ("ingress", "hosts", index, "tls"),
                f"cert-manager would write a certificate of the environment's issuer {issuer.name} "
                f"into {host.tls.secret}: it makes those of all hosts of an Ingress",
                "remove it: the issuer's certificate covers the host; or write ingress.tls.secret "
                "for the others",
            )


@rule("SRV684", "warning", "keeps the credentials of its node out of reach")
def node_credentials(subject: Subject) -> Iterator[Violation]:
    spec, network = subject.service.spec, subject.service.environment.network
    if not network.policy:
        return
    hint = "name the addresses that are needed, without 169.254.169.254"
    message = "opens {} at port 80, where clouds hand out the credentials of the node"
    for index, rule_of_model in enumerate(spec.egress):
        cidr = rule_of_model.cidr or ""
        spans = (
            (ports.port, ports.end_port) if isinstance(ports, PortRange) else (ports, ports)
            for ports in rule_of_model.ports
        )
        if rule_of_model.protocol == "TCP" and _holds_metadata(cidr, spans):
            yield Violation(("egress", index, "cidr"), message.format(cidr), hint)
    peers = (("artifactStore", network.artifact_store), ("kafka", network.kafka))
    for name, peer in peers:
        for index, cidr in enumerate(peer.cidrs if peer is not None else ()):
            if peer is not None and _holds_metadata(cidr, ((port, port) for port in peer.ports)):
                path = ("network", name, "cidrs", index)
                yield Violation(path, message.format(cidr), hint, environment=True)


@rule("SRV685", "warning", "has a certificate for each of its hosts")
def covered_hosts(subject: Subject) -> Iterator[Violation]:
    spec, way_in = subject.service.spec, subject.service.environment.ingress
    if not isinstance(way_in, IngressController) or way_in.tls is None or spec.ingress.tls:
        return
    if way_in.tls.issuer is not None:
        return
    written: list[tuple[tuple[str | int, ...], Host]] = [
        (("ingress", "hosts", index), host) for index, host in enumerate(spec.ingress.hosts)
    ]
    if not written and spec.ingress.host:
        written = [(("ingress", "host"), spec.ingress.host)]
    for path, host in written:
        name = host.host if isinstance(host, PublicHost) else host
        has_own = isinstance(host, PublicHost) and host.tls is not None
        if name in subject.service.hosts and not has_own and not _covers(way_in.host_suffix, name):
            yield Violation(
                path,
                f"{name} gets the certificate in {way_in.tls.secret}, a wildcard for "
                f"*.{way_in.host_suffix}, which does not cover it",
                "give the host a certificate of its own: {host: …, tls: {secret: …}}",
            )


def _covers(suffix: str, host: str) -> bool:
    """Whether a certificate for `*.<suffix>` holds for a host: its star is one label (RFC 6125)."""
    return host == f"*.{suffix}" or host.partition(".")[2] == suffix


def _holds_metadata(cidr: str, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether a rule of a network policy opens a metadata service. Wider ranges leave it out."""
    if not cidr or not any(first <= _METADATA_PORT <= last for first, last in spans):
        return False
    network = ip_network(cidr)
    excepted = tuple(map(ip_network, left_out(cidr)))
    return any(
        address in network and not any(address in part for part in excepted)
        for address in _METADATA_ADDRESSES
    )
