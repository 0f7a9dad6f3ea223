"""The topics that a model needs, and the objects from which Strimzi makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.topics import object_name, wanted_topics
from servestack.review.validate import validate
from tests.support.services import resolved

STRIMZI = {"managedBy": "strimzi", "cluster": "events", "namespace": "kafka"}


def wanted(folder: Path, topics: dict[str, Any], **kafka: Any) -> dict[str, Any]:
    service = resolved(folder, None, {"kafka": {"topics": topics, **kafka}})
    return {topic.kind: topic for topic in wanted_topics(service)}


def test_settings_are_those_of_the_template(tmp_path: Path) -> None:
    topic = wanted(tmp_path, {})["predictions"]
    assert (topic.name, topic.partitions, topic.replication_factor) == (
        "servestack.iris.predictions",
        6,
        3,
    )
    assert topic.config == {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "retention.ms": "604800000",
    }


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_the_loss_of_a_broker_stops_nothing(tmp_path: Path, copies: int, in_sync: str) -> None:
    topic = wanted(tmp_path, {"replicationFactor": copies})["feedback"]
    assert topic.config["min.insync.replicas"] == in_sync


def test_an_environment_overrides_a_kind(tmp_path: Path) -> None:
    topics = wanted(tmp_path, {"predictions": {"partitions": 12, "retentionHours": 1}})
    assert topics["predictions"].partitions == 12
    assert topics["predictions"].config["retention.ms"] == "3600000"
    assert topics["feedback"].partitions == 3


def test_topics_take_messages_that_brokers_would_refuse_by_default(tmp_path: Path) -> None:
    config = wanted(tmp_path, {}, maxMessage="4Mi")["predictions"].config
    assert config["max.message.bytes"] == str(4 << 20)


def test_strimzi_gets_an_object_for_each_topic(tmp_path: Path) -> None:
    service = resolved(tmp_path, None, {"kafka": {"topics": STRIMZI}})
    topics = [m for m in build_service_manifests(service) if m.kind == "KafkaTopic"]
    assert [topic.name for topic in topics] == [
        "servestack.iris.predictions",
        "servestack.iris.feedback",
    ]
    (predictions, _) = topics
    assert validate(predictions.body) == []
    metadata = predictions.body["metadata"]
    assert metadata["namespace"] == "kafka"
    assert metadata["labels"]["strimzi.io/cluster"] == "events"
    # Without these a model that is removed would take its events with it.
    assert metadata["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
    assert predictions.body["spec"]["config"]["retention.ms"] == 604800000


def test_nobody_else_renders_topics(tmp_path: Path) -> None:
    built = build_service_manifests(resolved(tmp_path))
    assert not [m for m in built if m.kind == "KafkaTopic"]


def test_topics_that_differ_in_what_kubernetes_refuses_have_objects_of_their_own() -> None:
    assert object_name("prod.iris.predictions") == "prod.iris.predictions"
    names = {object_name(topic) for topic in ("Prod_1.iris.a", "prod-1.iris.a", "Prod-1.iris.a")}
    assert len(names) == 3
    assert all(name == name.lower() and "_" not in name for name in names)
