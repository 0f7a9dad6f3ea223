"""The identity and the allowed traffic of the pods: ServiceAccount and NetworkPolicy."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.manifests.server_settings import is_in_image, mlflow_uri
from servestack.resolve.addresses import certificate_issuer
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Network, Peer
from servestack.spec.exposure import EgressRule, PortRange
from servestack.spec.model_service import shadow_name

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
SOLVER_LABEL = "acme.cert-manager.io/http01-solver"
"""Label of the pods that answer cert-manager's HTTP-01 challenges."""
_SOLVER_PORT = 8089
_LEFT_OUT = tuple(
    # Link-local addresses, and that of AWS's metadata service in IPv6.
    map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"))
)


def build_service_account(service: ResolvedService) -> Body | None:
    """The ServiceAccount of the model's pods; None where the spec names an existing one.

    The pods mount no token for the Kubernetes API. By its annotations a cloud gives the account
    rights of its own, with tokens that the cloud's webhook mounts.
    """
    account = service.spec.service_account
    if account.name is not None:
        return None
    annotations = dict(account.annotations)
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": names.metadata(service, service.name, annotations=annotations),
        "automountServiceAccountToken": False,
    }


def build_network_policy(service: ResolvedService) -> Body | None:
    """The NetworkPolicy of the model's pods; None where the environment renders no policies.

    Allowed callers are the ingress controller, Prometheus and the named namespaces; of a shadow, the
    model's pods and Prometheus. Allowed destinations are DNS, the artifact store, Kafka, the model's
    shadow and the spec's own egress rules.
    """
    if not service.environment.network.policy:
        return None
    ingress = _ingress(service)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(service, service.name),
        "spec": {
            "podSelector": {"matchLabels": names.selector(service)},
            "policyTypes": ["Ingress", "Egress"],
            # Omitted where nobody may call: the API drops an empty list, which means the same.
            **({"ingress": ingress} if ingress else {}),
            "egress": _egress(service),
        },
    }


def build_solver_network_policy(service: ResolvedService) -> Body | None:
    """The NetworkPolicy of cert-manager's pods that answer an HTTP-01 challenge for this model.

    They run in this namespace, where everything is denied that no policy names. None where no
    issuer makes the model's certificates, and without network policies.

    Source: pkg/issuer/acme/http/http.go of cert-manager (the label, and acmeSolverListenPort).
    """
    environment = service.environment
    if certificate_issuer(service.spec, environment) is None or not environment.network.policy:
        return None
    assert environment.ingress is not None  # an issuer belongs to an Ingress
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(service, names.solver_policy_name(service)),
        "spec": {
            "podSelector": {"matchLabels": {SOLVER_LABEL: "true"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [_namespace(environment.ingress.namespace)],
                    "ports": _tcp((_SOLVER_PORT,)),
                }
            ],
        },
    }


def _ingress(service: ResolvedService) -> list[Body]:
    environment = service.environment
    namespaces = list(service.spec.service.callers)
    if environment.ingress is not None and service.hosts:
        namespaces.append(environment.ingress.namespace)
    if environment.prometheus is not None:
        namespaces.append(environment.prometheus.namespace)
    peers = [_namespace(name) for name in sorted(set(namespaces))]
    if service.shadow_of:
        # The pods whose requests it gets copies of, in the same namespace: they alone may ask it.
        peers.insert(0, _pods(names.selector_of(service.shadow_of)))
    return [{"from": peers, "ports": _tcp((names.HTTP_PORT,))}] if peers else []


def _egress(service: ResolvedService) -> list[Body]:
    network = service.environment.network
    rules = [_dns(network)]
    if not all(is_in_image(model) for model in service.models):
        rules.append(_egress_rule(_artifact_store(service)))
    kafka = service.environment.kafka
    if kafka is not None and service.topics.shipped():
        ports = tuple(sorted({int(broker.rpartition(":")[2]) for broker in kafka.brokers}))
        rules.append(_egress_rule(network.kafka or Peer.model_construct(ports=ports)))
    if service.shadow is not None:
        shadow = _pods(names.selector_of(shadow_name(service.name)))
        rules.append({"to": [shadow], "ports": _tcp((names.HTTP_PORT,))})
    for rule in service.spec.egress:
        peer = _block(rule.cidr) if rule.cidr is not None else _namespace(rule.namespace or "")
        peer |= _pods(rule.pod_labels)
        rules.append({"to": [peer], "ports": _ports(rule)})
    return rules


def _dns(network: Network) -> Body:
    """The rule for DNS: its ranges may be link-local, as the cache on a node is."""
    dns = network.dns
    namespace = network.dns_namespace or dns.namespace
    targets = [_namespace(namespace)] if namespace is not None else []
    targets += map(_block, dns.cidrs)
    return {
        "to": targets,
        "ports": [
            {"protocol": protocol, "port": port}
            for port in dns.ports
            for protocol in ("UDP", "TCP")
        ],
    }


def _ports(rule: EgressRule) -> list[Body]:
    return [
        {"protocol": rule.protocol, "port": ports.port, "endPort": ports.end_port}
        if isinstance(ports, PortRange)
        else {"protocol": rule.protocol, "port": ports}
        for ports in rule.ports
    ]


def _artifact_store(service: ResolvedService) -> Peer:
    """The peer that serves the artifacts. MLflow's port is added where MLflow serves them."""
    store = service.environment.network.artifact_store
    uri = urlsplit(mlflow_uri(service))
    if not uri.hostname:
        return store
    port = uri.port or (443 if uri.scheme == "https" else 80)
    return store.model_copy(update={"ports": tuple(sorted({*store.ports, port}))})


def _egress_rule(peer: Peer) -> Body:
    """An egress rule to a peer. A peer without an address allows its ports everywhere."""
    targets = [_block(cidr) for cidr in peer.cidrs]
    if peer.namespace is not None:
        targets.insert(0, _namespace(peer.namespace) | _pods(peer.pod_labels))
    return {"to": targets or _anywhere(), "ports": _tcp(peer.ports)}


def _anywhere() -> list[Body]:
    """Pods of all namespaces, and all addresses but link-local ones.

    Pods are named as well, because it depends on the network plugin whether an address block
    covers them. At link-local addresses clouds hand out the node's credentials.
    """
    return [{"namespaceSelector": {}}, _block("0.0.0.0/0"), _block("::/0")]


def _block(cidr: str) -> Body:
    parts = list(left_out(cidr))
    return {"ipBlock": {"cidr": cidr, **({"except": parts} if parts else {})}}


def left_out(cidr: str) -> tuple[str, ...]:
    """The link-local ranges in an address range, which a policy leaves out.

    Empty for a range that is link-local itself: it was meant.
    """
    network: Any = ip_network(cidr)
    return tuple(
        str(part)
        for part in _LEFT_OUT
        if part.version == network.version and part != network and part.subnet_of(network)
    )


def _namespace(name: str) -> Body:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: name}}}


def _pods(labels: dict[str, str]) -> Body:
    return {"podSelector": {"matchLabels": dict(sorted(labels.items()))}} if labels else {}


def _tcp(ports: tuple[int, ...]) -> list[Body]:
    return [{"protocol": "TCP", "port": port} for port in ports]
