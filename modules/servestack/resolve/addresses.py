"""The addresses of a service: its hosts outside the cluster, its paths, and its URL."""

from __future__ import annotations

from servestack.spec.environment import Environment, Gateway, IngressController
from servestack.spec.exposure import CertificateIssuer, Host, PublicHost
from servestack.spec.model_service import ModelService
from servestack_contract.routes import V2_MODELS


def public_hosts(spec: ModelService, environment: Environment) -> tuple[str, ...]:
    """Return the host names outside the cluster, the first one first; empty without external access.

    A name may begin with `*.`, which stands for every name below the rest.
    """
    if environment.ingress is None or not spec.ingress.enabled:
        return ()
    if spec.ingress.hosts:
        return tuple(map(_name, spec.ingress.hosts))
    return (spec.ingress.host or f"{spec.name}.{environment.ingress.host_suffix}",)


def path_prefix(spec: ModelService, environment: Environment) -> str:
    """Return the path in front of the public paths, such as `/ml`; "" without one."""
    if environment.ingress is None or not spec.ingress.enabled:
        return ""
    return spec.ingress.path_prefix or environment.ingress.path_prefix or ""


def public_paths(spec: ModelService, environment: Environment) -> tuple[str, ...]:
    """Return the path prefixes that are public: the model's routes in both protocols.

    Never /metrics, nor another model's paths (docs/adr/0004).
    """
    prefix = path_prefix(spec, environment)
    return (f"{prefix}{spec.base_path}", f"{prefix}{V2_MODELS}/{spec.name}")


def certificates(spec: ModelService, environment: Environment) -> dict[str, tuple[str, ...]]:
    """Return the hosts of each Secret with a certificate, which an Ingress has in `tls`.

    The Secret of the issuer is `<name>-tls` where nothing else is written.
    """
    way_in = environment.ingress
    if not isinstance(way_in, IngressController):
        return {}
    tls = spec.ingress.tls or way_in.tls
    shared = "" if tls is None else tls.secret or f"{spec.name}-tls"
    own = {
        host.host: host.tls.secret
        for host in spec.ingress.hosts
        if isinstance(host, PublicHost) and host.tls is not None
    }
    found: dict[str, tuple[str, ...]] = {}
    for host in public_hosts(spec, environment):
        if secret := own.get(host, shared):
            found[secret] = (*found.get(secret, ()), host)
    return found


def certificate_issuer(spec: ModelService, environment: Environment) -> CertificateIssuer | None:
    """Return cert-manager's issuer of the certificates of an Ingress, if it has one."""
    way_in = environment.ingress
    if not public_hosts(spec, environment) or not isinstance(way_in, IngressController):
        return None
    tls = spec.ingress.tls or way_in.tls
    return tls.issuer if tls is not None else None


def encrypted_hosts(spec: ModelService, environment: Environment) -> frozenset[str]:
    """Return the hosts that answer over TLS."""
    if isinstance(environment.ingress, Gateway):
        return frozenset(public_hosts(spec, environment) if environment.ingress.tls else ())
    return frozenset(host for hosts in certificates(spec, environment).values() for host in hosts)


def service_url(spec: ModelService, environment: Environment) -> str:
    """Return the address up to the base path: the first host's, or that in the cluster.

    A wildcard is no address: the first other host stands for it, or the model's own name below it.
    """
    hosts = public_hosts(spec, environment)
    if hosts:
        chosen = next((host for host in hosts if not host.startswith("*.")), hosts[0])
        scheme = "https" if chosen in encrypted_hosts(spec, environment) else "http"
        name = chosen.replace("*", spec.name, 1) if chosen.startswith("*.") else chosen
        return f"{scheme}://{name}{path_prefix(spec, environment)}{spec.base_path}"
    port = "" if spec.service.port == 80 else f":{spec.service.port}"
    return f"http://{spec.name}.{environment.namespace}.svc{port}{spec.base_path}"


def _name(host: Host) -> str:
    return host.host if isinstance(host, PublicHost) else host
