"""Rules that check whether the environment offers what the spec asks for."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.manifests.monitoring import scales_on_in_flight, scrape_interval_seconds
from servestack.review.policy.rule import Subject, Violation, rule
from servestack.spec.quantities import byte_count


@rule("SRV639", "warning", "is found by the Prometheus operator")
def selected_by_the_operator(subject: Subject) -> Iterator[Violation]:
    """An operator leaves objects that it does not select alone, and nobody is told."""
    prometheus = subject.service.environment.prometheus
    if prometheus is None or prometheus.style != "operator":
        return
    if not prometheus.labels and "labels" not in prometheus.model_fields_set:
        yield Violation(
            ("monitoring",),
            "the environment has no prometheus.labels: an operator that selects by labels, as "
            "kube-prometheus-stack does, would neither scrape the model nor load its alerts",
            "set prometheus.labels in the environment, such as {release: kube-prometheus-stack}, or "
            "{} if the operator selects all objects",
        )


@rule("SRV661", "warning", "scales by metrics that the environment has")
def metric_source(subject: Subject) -> Iterator[Violation]:
    scaling = subject.service.spec.autoscaling
    custom = subject.service.environment.metrics.custom_metrics
    if not scaling or scaling.in_flight_per_pod is None or scaling.cpu_percent is None:
        return
    if custom == "none":
        yield Violation(
            ("autoscaling", "inFlightPerPod"),
            "the environment has no custom metrics for the autoscaler: it scales by CPU alone",
            "install prometheus-adapter or KEDA and set metrics.customMetrics, or remove "
            "inFlightPerPod",
        )


@rule("SRV637", "error", "scales on requests in flight that somebody measures")
def measured_in_flight(subject: Subject) -> Iterator[Violation]:
    environment = subject.service.environment
    if scales_on_in_flight(subject.service) and environment.prometheus is None:
        yield Violation(
            ("autoscaling", "inFlightPerPod"),
            f"{environment.metrics.custom_metrics} asks Prometheus for the requests in flight, and "
            "the environment has no prometheus: the autoscaler would never see a figure",
            "add a section prometheus to the environment, or remove inFlightPerPod",
        )


SLOWEST_SCRAPE_SECONDS = 10
"""Above it half a minute does not suffice for scrape, window and autoscaler (docs/adr/0021)."""


@rule("SRV640", "warning", "is scraped often enough to scale on requests in flight")
def scraped_often(subject: Subject) -> Iterator[Violation]:
    prometheus, service = subject.service.environment.prometheus, subject.service
    if not scales_on_in_flight(service) or prometheus is None:
        return
    seconds = scrape_interval_seconds(service)
    if service.spec.monitoring.scrape_interval_seconds is None and prometheus.style != "operator":
        yield Violation(
            ("monitoring", "scrapeIntervalSeconds"),
            "the cluster's Prometheus decides how often pods with annotations are scraped: at its "
            "usual 15 s or more, load is answered with pods after more than 30 s",
            "scrape these pods every 5 s, and write that number here",
        )
    elif seconds > SLOWEST_SCRAPE_SECONDS:
        yield Violation(
            ("monitoring", "scrapeIntervalSeconds"),
            f"{seconds} s between two scrapes: load is answered with pods after more than 30 s",
            f"write {SLOWEST_SCRAPE_SECONDS} or less, or remove it",
        )


@rule("SRV662", "error", "rolls out in a way that somebody carries out")
def rollout_engine(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    strategy, environment = service.spec.rollout.strategy, service.environment
    if strategy != "rolling" and environment.rollouts is None:
        yield Violation(
            ("rollout", "strategy"),
            f"{strategy} needs a rollout controller, and the environment {environment.name} has none: "
            "a new version would replace the pods one by one",
            "install Argo Rollouts in the cluster and write rollouts: {engine: argo, "
            "prometheusAddress: …} into the environment, or write strategy: rolling",
        )


@rule("SRV663", "error", "writes events that the brokers accept")
def event_size(subject: Subject) -> Iterator[Violation]:
    kafka, logging = subject.service.environment.kafka, subject.service.spec.logging
    if kafka is None or not subject.service.topics.shipped():
        return
    if byte_count(logging.max_event) > byte_count(kafka.max_message):
        yield Violation(
            ("logging", "maxEvent"),
            f"{logging.max_event} is above the environment's kafka.maxMessage {kafka.max_message}",
            "lower logging.maxEvent: a larger event would be lost on its way to Kafka",
        )


@rule("SRV664", "note", "sends its events somewhere")
def shipped_events(subject: Subject) -> Iterator[Violation]:
    if subject.service.environment.kafka is None:
        yield Violation(("logging",), "the environment has no Kafka: events are not shipped")


@rule("SRV665", "warning", "reaches only what it needs")
def narrow_egress(subject: Subject) -> Iterator[Violation]:
    environment = subject.service.environment
    if not environment.network.policy:
        yield Violation(("network", "policy"), "all traffic is allowed", environment=True)
        return
    store = environment.network.artifact_store
    if store.namespace is None and not store.cidrs:
        yield Violation(
            ("network", "artifactStore"),
            f"pods may reach any address at port {', '.join(map(str, store.ports))}",
            "name the namespace or the address ranges of the artifact store",
            environment=True,
        )
    kafka = environment.network.kafka
    if subject.service.topics.shipped() and (
        kafka is None or (kafka.namespace is None and not kafka.cidrs)
    ):
        yield Violation(
            ("network", "kafka"),
            "pods may reach any address at the brokers' ports",
            "name the namespace or the address ranges of Kafka",
            environment=True,
        )


@rule("SRV666", "warning", "survives the loss of a node")
def spare_pod(subject: Subject) -> Iterator[Violation]:
    spec = subject.service.spec
    fewest = spec.autoscaling.min if spec.autoscaling else spec.replicas or 0
    if fewest == 1 and subject.service.environment.guard_rails.min_replicas > 0:
        path = ("autoscaling", "min") if spec.autoscaling else ("replicas",)
        yield Violation(
            path,
            "with one pod the model does not answer while that pod's node is down",
            "set 2 or more",
        )


@rule("SRV667", "note", "says how good its service must be")
def objectives(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    if service.environment.prometheus is not None and service.spec.monitoring.slo is None:
        yield Violation(
            ("monitoring", "slo"), "without objectives no alert reports errors or slow answers"
        )


@rule("SRV668", "error", "has an autoscaler with a metric that the environment has")
def any_metric(subject: Subject) -> Iterator[Violation]:
    """The API fills an empty list with CPU at 80% over all containers, which nobody asked for."""
    for manifest in subject.manifests:
        if manifest.kind == "HorizontalPodAutoscaler" and not manifest.body["spec"].get("metrics"):
            yield Violation(
                ("autoscaling", "inFlightPerPod"),
                "the environment has no custom metrics, and without cpuPercent the autoscaler has "
                "nothing to scale by",
                "set autoscaling.cpuPercent, or install prometheus-adapter or KEDA and set "
                "metrics.customMetrics in the environment",
            )
