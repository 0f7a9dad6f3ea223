"""The identity and the allowed traffic of the pods: ServiceAccount and NetworkPolicy."""

from __future__ import annotations

from urllib.parse import urlsplit

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.manifests.server_settings import is_in_image, mlflow_uri
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Peer

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_DNS_PORT = 53
_OUTSIDE = {
    "0.0.0.0/0": ("169.254.0.0/16",),
    # The second is the address of AWS's metadata service in IPv6.
    "::/0": ("fe80::/10", "fd00:ec2::254/128"),
}


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

    Allowed callers are the ingress controller, Prometheus and the named namespaces. Allowed
    destinations are DNS, the artifact store, Kafka and the spec's own egress rules.
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


def _ingress(service: ResolvedService) -> list[Body]:
    environment = service.environment
    namespaces = list(service.spec.service.callers)
    if environment.ingress is not None and service.host:
        namespaces.append(environment.ingress.namespace)
    if environment.prometheus is not None:
        namespaces.append(environment.prometheus.namespace)
    if not namespaces:
        return []
    peers = [_namespace(name) for name in sorted(set(namespaces))]
    return [{"from": peers, "ports": _tcp((names.HTTP_PORT,))}]


def _egress(service: ResolvedService) -> list[Body]:
    network = service.environment.network
    rules: list[Body] = [
        {
            "to": [_namespace(network.dns_namespace)],
            "ports": [{"protocol": protocol, "port": _DNS_PORT} for protocol in ("UDP", "TCP")],
        },
    ]
    if not all(is_in_image(model) for model in service.models):
        rules.append(_egress_rule(_artifact_store(service)))
    kafka = service.environment.kafka
    if kafka is not None and service.topics.shipped():
        ports = tuple(sorted({int(broker.rpartition(":")[2]) for broker in kafka.brokers}))
        rules.append(_egress_rule(network.kafka or Peer.model_construct(ports=ports)))
    for rule in service.spec.egress:
        peer: Body = {"ipBlock": {"cidr": rule.cidr}}
        if rule.namespace is not None:
            peer = _namespace(rule.namespace)
        if rule.pod_labels:
            peer["podSelector"] = {"matchLabels": dict(sorted(rule.pod_labels.items()))}
        rules.append({"to": [peer], "ports": _tcp(rule.ports)})
    return rules


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
    targets: list[Body] = [{"ipBlock": {"cidr": cidr}} for cidr in peer.cidrs]
    if peer.namespace is not None:
        targets.insert(0, _namespace(peer.namespace))
    return {"to": targets or _anywhere(), "ports": _tcp(peer.ports)}


def _anywhere() -> list[Body]:
    """Pods of all namespaces, and all addresses but link-local ones.

    Pods are named as well, because it depends on the network plugin whether an address block
    covers them. At link-local addresses clouds hand out the node's credentials.
    """
    blocks = ({"cidr": cidr, "except": list(left_out)} for cidr, left_out in _OUTSIDE.items())
    return [{"namespaceSelector": {}}, *({"ipBlock": block} for block in blocks)]


def _namespace(name: str) -> Body:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: name}}}


def _tcp(ports: tuple[int, ...]) -> list[Body]:
    return [{"protocol": "TCP", "port": port} for port in ports]
