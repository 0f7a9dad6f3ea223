"""Rules between the fields of an Environment."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.spec.custom_metrics import metrics_faults
from servestack.spec.document import DataPath
from servestack.spec.environment import Dns, Environment, IngressController, Overlay, Peer
from servestack.spec.exposure_rules import certificate_faults, cidr_faults
from servestack.spec.faults import Fault
from servestack.spec.folder import Folder
from servestack.spec.model_rules import toleration_faults
from servestack.spec.reserved import OWN_LABELS, RESERVED_NAMESPACES
from servestack.spec.topics import Topics

FIXED_FIELDS = ("apiVersion", "kind", "name")
"""Fields that identify a spec. No overlay may change them."""


def environment_faults(environment: Environment) -> Iterator[Fault]:
    """Yield every fault between fields, in the order of the reference."""
    if environment.namespace.startswith(RESERVED_NAMESPACES):
        yield Fault(
            "SRV167",
            ("namespace",),
            f"{environment.namespace!r} is reserved: {RESERVED_NAMESPACES} is for Kubernetes itself",
            f"give the models a namespace of their own, such as models-{environment.name}",
        )
    yield from _ingress(environment)
    yield from _kafka(environment)
    yield from _network(environment)
    yield from metrics_faults(environment.metrics)
    yield from _rollouts(environment)
    for name, gpu in environment.gpus.items():
        yield from toleration_faults(gpu.tolerations or (), ("gpus", name, "tolerations"))
    rails = environment.guard_rails
    if rails.min_replicas > rails.max_replicas:
        yield Fault(
            "SRV141",
            ("guardRails", "minReplicas"),
            f"{rails.min_replicas} is above guardRails.maxReplicas {rails.max_replicas}",
            "swap the two",
            (("guardRails", "maxReplicas"),),
        )
    if rails.require_image_digest and environment.images.server.digest is None:
        yield Fault(
            "SRV142",
            ("images", "server", "digest"),
            "is required by guardRails.requireImageDigest",
            "write digest: sha256:…",
            (("guardRails", "requireImageDigest"),),
        )
    if environment.grafana is not None and environment.prometheus is None:
        yield Fault(
            "SRV143",
            ("grafana",),
            "needs prometheus",
            "add a section prometheus: dashboards show what it scrapes",
            (("prometheus",),),
        )
    prometheus = environment.prometheus
    if prometheus is not None and prometheus.labels and prometheus.style == "annotations":
        yield Fault(
            "SRV240",
            ("prometheus", "labels"),
            "is not used by style annotations: only an operator selects objects by labels",
            "write style: operator, or remove the labels",
            (("prometheus", "style"),),
        )
    yield from _labels(environment)
    yield from _overlays(environment)


def _labels(environment: Environment) -> Iterator[Fault]:
    """Yield a fault for each label that would replace one of those that identify an object."""
    prometheus, grafana = environment.prometheus, environment.grafana
    keys: list[tuple[DataPath, str]] = [
        (("prometheus", "labels", key), key) for key in (prometheus.labels if prometheus else ())
    ]
    keys += [(("grafana", "label"), grafana.label)] if grafana else []
    for path, key in keys:
        if key in OWN_LABELS or key.startswith("servestack.dev/"):
            yield Fault(
                "SRV134",
                path,
                f"{key} is set by servestack itself",
                "choose another label, such as release: prometheus",
            )


def _rollouts(environment: Environment) -> Iterator[Fault]:
    """Yield every fault of `rollouts`, and between it and the other sections."""
    rollouts = environment.rollouts
    if rollouts is None:
        return
    if environment.prometheus is None:
        yield Fault(
            "SRV246",
            ("rollouts",),
            "needs prometheus: without metrics nobody can tell a good version from a bad one",
            "add a section prometheus, so that the pods are scraped",
            (("prometheus",),),
        )
    ingress = environment.ingress
    if rollouts.router == "nginx" and (ingress is None or ingress.kind != "ingress"):
        yield Fault(
            "SRV247",
            ("rollouts", "router"),
            "nginx gives out the requests to an Ingress, and this environment renders none",
            "write ingress: {kind: ingress, …}, or remove router: a share is then a share of the pods",
            (("ingress",),),
        )


def _kafka(environment: Environment) -> Iterator[Fault]:
    kafka = environment.kafka
    if kafka is None:
        return
    security, path = kafka.security, ("kafka", "security")
    if security.protocol.startswith("SASL") and security.credentials is None:
        yield Fault(
            "SRV144",
            (*path, "credentials"),
            f"is required by protocol {security.protocol}",
            "write credentials: {secret: <name of a Secret>}",
            ((*path, "protocol"),),
        )
    if not security.protocol.startswith("SASL") and security.credentials is not None:
        yield Fault(
            "SRV144",
            (*path, "credentials"),
            f"is not used by protocol {security.protocol}",
            "remove it, or use a SASL protocol",
            ((*path, "protocol"),),
        )
    for key, value in (("ca", security.ca), ("clientCertificate", security.client_certificate)):
        if not security.protocol.endswith("SSL") and value is not None:
            yield Fault(
                "SRV144",
                (*path, key),
                f"is not used by protocol {security.protocol}",
                "remove it, or use an SSL protocol",
                ((*path, "protocol"),),
            )
    yield from _topics(kafka.topics)
    for index, broker in enumerate(kafka.brokers):
        if int(broker.rpartition(":")[2]) not in range(1, 65536):
            yield Fault(
                "SRV144",
                ("kafka", "brokers", index),
                f"{broker!r} has no valid port",
                "write host:9093",
            )


def _topics(topics: Topics) -> Iterator[Fault]:
    path = ("kafka", "topics")
    for key in ("cluster", "namespace"):
        value = getattr(topics, key)
        if topics.managed_by == "strimzi" and value is None:
            yield Fault(
                "SRV234",
                (*path, key),
                "is required by managedBy strimzi",
                f"write the {'name' if key == 'cluster' else 'namespace'} of Strimzi's Kafka object",
                ((*path, "managedBy"),),
            )
        if topics.managed_by == "none" and value is not None:
            yield Fault(
                "SRV234",
                (*path, key),
                "is used by managedBy strimzi alone",
                "remove it, or write managedBy: strimzi",
                ((*path, "managedBy"),) if "managed_by" in topics.model_fields_set else (),
            )
    if topics.in_sync > topics.replication_factor:
        yield Fault(
            "SRV235",
            (*path, "minInSyncReplicas"),
            f"{topics.in_sync} is above kafka.topics.replicationFactor {topics.replication_factor}: "
            "Kafka would accept no event",
            f"write {max(1, topics.replication_factor - 1)}, or leave it out",
            ((*path, "replicationFactor"),),
        )


def _ingress(environment: Environment) -> Iterator[Fault]:
    ingress = environment.ingress
    if not isinstance(ingress, IngressController) or ingress.tls is None:
        return
    path = ("ingress", "tls")
    yield from certificate_faults(ingress.tls, path)
    if ingress.tls.secret is not None and ingress.tls.issuer is not None:
        yield Fault(
            "SRV180",
            (*path, "secret"),
            "would be written anew for every model by the issuer",
            "remove it: each model gets a Secret <name>-tls",
            ((*path, "issuer"),),
        )


def _network(environment: Environment) -> Iterator[Fault]:
    network = environment.network
    if network.dns_namespace is not None and "namespace" in network.dns.model_fields_set:
        yield Fault(
            "SRV182",
            ("network", "dnsNamespace"),
            "cannot be set together with network.dns.namespace",
            "keep network.dns.namespace",
            (("network", "dns", "namespace"),),
        )
    if network.dns_namespace is None and network.dns.namespace is None and not network.dns.cidrs:
        yield Fault(
            "SRV182",
            ("network", "dns"),
            "names nobody who answers",
            "write the namespace of the DNS pods, or cidrs",
        )
    for name, peer in (("artifactStore", network.artifact_store), ("kafka", network.kafka)):
        if peer is not None and peer.pod_labels and peer.namespace is None:
            yield Fault(
                "SRV133",
                ("network", name, "podLabels"),
                "needs namespace",
                "write the namespace of the pods",
            )
    ranges: tuple[tuple[str, Peer | Dns | None], ...] = (
        ("dns", network.dns),
        ("artifactStore", network.artifact_store),
        ("kafka", network.kafka),
    )
    for name, holder in ranges:
        for index, cidr in enumerate(holder.cidrs if holder else ()):
            yield from cidr_faults(cidr, ("network", name, "cidrs", index))


def folder_faults(folder: Folder) -> Iterator[Fault]:
    """Yield every field of a folder's defaults that no defaults may have."""
    yield from _fixed(("defaults",), folder.defaults)
    yield from _of_one_model(folder.defaults)


def _overlays(environment: Environment) -> Iterator[Fault]:
    overlays: list[tuple[DataPath, Overlay]] = [(("defaults",), environment.defaults)]
    overlays += [(("overrides", name), body) for name, body in environment.overrides.items()]
    for path, overlay in overlays:
        yield from _fixed(path, overlay)
    yield from _of_one_model(environment.defaults)
    for index, name in enumerate(environment.exclude):
        if name in environment.overrides:
            yield Fault(
                "SRV146",
                ("exclude", index),
                f"{name!r} is also under overrides",
                "keep one of the two",
                (("overrides", name),),
            )


def _fixed(path: DataPath, overlay: Overlay) -> Iterator[Fault]:
    for key in FIXED_FIELDS:
        if key in overlay:
            yield Fault("SRV145", (*path, key), "cannot be changed here", "remove it")


def _of_one_model(defaults: Overlay) -> Iterator[Fault]:
    for key in ("artifact", "models", "graph", "shadow"):
        if key in defaults:
            yield Fault(
                "SRV145", ("defaults", key), "belongs to one model", "write it in the model's spec"
            )
