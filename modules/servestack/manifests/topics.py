"""The Kafka topics of a model, and the KafkaTopic objects from which Strimzi makes them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from servestack.data import read_template
from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.manifests.remembered import remembered
from servestack.resolve.resolved import ResolvedService
from servestack.spec.base import DNS_NAME
from servestack.spec.quantities import byte_count
from servestack_contract.events import Kind

_TEMPLATE = "logging/topics.yaml"
_KAFKAS_LARGEST_MESSAGE = 1_048_588
"""Kafka's default of max.message.bytes: its documentation, topic configs."""


_KEPT = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""Strimzi deletes the topic, with its events, when its KafkaTopic is deleted. So Argo CD and Flux
leave it when nobody declares it any more; Pulumi does by `retain_on_delete`."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is wanted. `config` holds Kafka's names and values as Kafka writes them."""

    name: str
    model: str
    kind: Kind
    partitions: int
    replication_factor: int
    config: dict[str, str]


@remembered
def wanted_topics(service: ResolvedService) -> tuple[Topic, ...]:
    """The topics of each kind of event that the service ships; empty without Kafka."""
    kafka = service.environment.kafka
    if kafka is None:
        return ()
    settings = kafka.topics
    template = _template()
    topics = []
    for kind, name in service.topics.shipped():
        given, default = getattr(settings, kind), template["kinds"][kind]
        hours = given.retention_hours or default["retentionHours"]
        config = {key: str(value) for key, value in template["config"].items()}
        config["min.insync.replicas"] = str(settings.in_sync)
        config["retention.ms"] = str(hours * 3_600_000)
        if (largest := byte_count(kafka.max_message)) > _KAFKAS_LARGEST_MESSAGE:
            config["max.message.bytes"] = str(largest)
        partitions = given.partitions or default["partitions"]
        copies = settings.replication_factor
        topics.append(Topic(name, service.name, kind, partitions, copies, config))
    return tuple(topics)


@cache
def _template() -> dict[str, Any]:
    template: dict[str, Any] = yaml.safe_load(read_template(_TEMPLATE))
    return template


def build_predictions_kafka_topic(service: ResolvedService) -> Body | None:
    """The topic of predictions, for Strimzi; None if somebody else makes it or none is shipped."""
    return _kafka_topic(service, "predictions")


def build_feedback_kafka_topic(service: ResolvedService) -> Body | None:
    """The topic of feedback, as `build_predictions_kafka_topic`."""
    return _kafka_topic(service, "feedback")


def build_access_kafka_topic(service: ResolvedService) -> Body | None:
    """The topic of HTTP requests, as `build_predictions_kafka_topic`."""
    return _kafka_topic(service, "access")


def build_custom_kafka_topic(service: ResolvedService) -> Body | None:
    """The topic of the model's own events, as `build_predictions_kafka_topic`."""
    return _kafka_topic(service, "custom")


def _kafka_topic(service: ResolvedService, kind: Kind) -> Body | None:
    kafka = service.environment.kafka
    if kafka is None or kafka.topics.managed_by != "strimzi":
        return None
    topic = next((topic for topic in wanted_topics(service) if topic.kind == kind), None)
    if topic is None:
        return None
    cluster = {"strimzi.io/cluster": kafka.topics.cluster or ""}
    metadata = names.metadata(
        service, object_name(topic.name), extra_labels=cluster, annotations=_KEPT
    )
    metadata["namespace"] = kafka.topics.namespace
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": metadata,
        "spec": {
            "topicName": topic.name,
            "partitions": topic.partitions,
            "replicas": topic.replication_factor,
            "config": {key: _typed(value) for key, value in sorted(topic.config.items())},
        },
    }


def _typed(value: str) -> str | int:
    """Numbers as numbers, as Strimzi's documentation writes them."""
    return int(value) if value.isdigit() else value


def object_name(topic: str) -> str:
    """Name of the KafkaTopic: that of the topic, or, where Kubernetes refuses it, one like it with
    eight digits of the topic's digest, since two topics may differ in such characters alone."""
    if re.fullmatch(DNS_NAME, topic) and len(topic) <= 253:
        return topic
    digest = hashlib.sha256(topic.encode()).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9]+", "-", topic.lower()).strip("-")
    return f"{plain[:200]}-{digest}"
