"""Events go through the real Filebeat to a real Kafka that asks for a password over TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests import names
from tests.real.test_filebeat import write_events
from tests.support.filebeat import drain, local_config, rendered_config, running_filebeat
from tests.support.kafka import USERNAME, KafkaCluster, running_kafka

SECURITY = {
    "protocol": "SASL_SSL",
    "credentials": {"secret": "kafka"},
    "ca": {"secret": "kafka-ca", "key": "ca.crt"},
}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


def config_for(kafka: KafkaCluster, folder: Path, topic: str) -> dict[str, Any]:
    """The rendered configuration, with this broker's authority and a topic of the test's own."""
    text = rendered_config(folder / "project", SECURITY, (kafka.address,))
    text = text.replace(names.KAFKA_CA_FOLDER, str(kafka.ca.parent))
    return local_config(folder, text.replace("servestack.iris.", f"servestack.{topic}."))


def credentials(password: str) -> dict[str, str]:
    return {"KAFKA_USERNAME": USERNAME, "KAFKA_PASSWORD": password}


def test_every_event_arrives_under_its_id(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.create_topics("arrives")
    with running_filebeat(
        tmp_path, config_for(kafka, tmp_path, "arrives"), credentials(kafka.password)
    ):
        write_events(tmp_path, "predictions", 0, 20_000)
        write_events(tmp_path, "feedback", 0, 500)
        (tmp_path / "events/.server-exited").touch()
        assert drain(tmp_path, 60).stderr == ""
    for kind, count in (("predictions", 20_000), ("feedback", 500)):
        messages = kafka.read(f"servestack.arrives.{kind}")
        assert all(json.loads(value)["id"] == key for key, value in messages)
        assert {key for key, _ in messages} == {f"{kind}-{n:036d}" for n in range(count)}


def test_nothing_is_lost_to_a_refused_password(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.create_topics("refused")
    config = config_for(kafka, tmp_path, "refused")
    with running_filebeat(tmp_path, config, credentials("not it")) as process:
        write_events(tmp_path, "predictions", 0, 1_000)
        (tmp_path / "events/.server-exited").touch()
        assert "time is up" in drain(tmp_path, 5).stderr
        process.kill()
    assert "SASL" in (tmp_path / "filebeat.log").read_text()
    assert kafka.read("servestack.refused.predictions") == []
    with running_filebeat(tmp_path, config, credentials(kafka.password)):
        assert drain(tmp_path, 60).stderr == ""
    keys = {key for key, _ in kafka.read("servestack.refused.predictions")}
    assert keys == {f"predictions-{number:036d}" for number in range(1_000)}
