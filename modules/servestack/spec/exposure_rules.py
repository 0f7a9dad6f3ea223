"""Rules between the fields that say how a model is reached and what its pods may reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from servestack.spec.exposure import Ingress, IngressTls, PortRange, PublicHost
from servestack.spec.faults import Fault
from servestack.spec.model_service import ModelService


def exposure_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield the faults of `egress` and `ingress`."""
    for index, rule in enumerate(spec.egress):
        path = ("egress", index)
        if (rule.cidr is None) == (rule.namespace is None):
            yield Fault(
                "SRV133", path, "needs exactly one of cidr and namespace", "keep one of the two"
            )
        if rule.pod_labels and rule.namespace is None:
            yield Fault(
                "SRV133", (*path, "podLabels"), "needs namespace", "write the namespace of the pods"
            )
        if rule.cidr is not None:
            yield from cidr_faults(rule.cidr, (*path, "cidr"))
        for number, ports in enumerate(rule.ports):
            if isinstance(ports, PortRange) and ports.end_port < ports.port:
                yield Fault(
                    "SRV181",
                    (*path, "ports", number, "endPort"),
                    f"{ports.end_port} is below port {ports.port}",
                    "swap the two",
                    ((*path, "ports", number, "port"),),
                )
    yield from _ingress(spec.ingress)


def cidr_faults(cidr: str, path: tuple[str | int, ...]) -> Iterator[Fault]:
    """Yield a fault if `cidr` is not an address range, or has bits set after its prefix."""
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        yield Fault("SRV133", path, f"{error}", "write a range such as 10.0.0.0/8")


def certificate_faults(tls: IngressTls, path: tuple[str | int, ...]) -> Iterator[Fault]:
    """Yield a fault if a section `tls` names neither a certificate nor who makes one."""
    if tls.secret is None and tls.issuer is None:
        yield Fault(
            "SRV180",
            path,
            "needs secret or issuer",
            "write secret: <name of a Secret>, or issuer: {name: <cert-manager's issuer>}",
        )


def _ingress(ingress: Ingress) -> Iterator[Fault]:
    if not ingress.enabled and (ingress.host or ingress.hosts or ingress.tls):
        yield Fault(
            "SRV133",
            ("ingress", "enabled"),
            "cannot be false together with host or tls",
            "remove them, or enable ingress",
            (("ingress", "host"), ("ingress", "hosts"), ("ingress", "tls")),
        )
    if ingress.host and ingress.hosts:
        yield Fault(
            "SRV180",
            ("ingress", "host"),
            "cannot be set together with hosts",
            "write it as the first of hosts",
            (("ingress", "hosts"),),
        )
    if ingress.tls is not None:
        yield from certificate_faults(ingress.tls, ("ingress", "tls"))
    seen: dict[str, int] = {}
    for index, host in enumerate(ingress.hosts):
        path = ("ingress", "hosts", index)
        name = host.host if isinstance(host, PublicHost) else host
        if name in seen:
            yield Fault(
                "SRV180",
                path,
                f"{name} is also hosts[{seen[name]}]",
                "keep one of the two",
            )
        seen.setdefault(name, index)
        own = isinstance(host, PublicHost) and host.tls is not None
        if own and ingress.tls is not None and ingress.tls.issuer is not None:
            yield Fault(
                "SRV180",
                (*path, "tls"),
                "would be overwritten: cert-manager makes the certificates of all hosts of an "
                "Ingress by one issuer",
                "remove it, or give every host a secret and remove ingress.tls.issuer",
                (("ingress", "tls", "issuer"),),
            )
