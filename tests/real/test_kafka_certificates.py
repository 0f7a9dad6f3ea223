"""Events go through the real Filebeat to a real Kafka that asks for a client's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests import names
from tests.real.test_filebeat import write_events
from tests.support.filebeat import drain, local_config, rendered_config, running_filebeat
from tests.support.kafka import USERNAME, KafkaCluster, running_kafka


@pytest.fixture(scope="module", params=["SSL", "SASL_SSL"])
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaCluster]:
    """One that identifies its clients by certificates alone, one that asks for a password too."""
    folder = tmp_path_factory.mktemp("kafka")
    with running_kafka(folder, protocol=request.param, wants_certificates=True) as broker:
        yield broker


def config_for(
    kafka: KafkaCluster, folder: Path, topic: str, *, identified: bool
) -> dict[str, Any]:
    """The rendered configuration, with the folders of this broker in place of mounted Secrets."""
    security: dict[str, Any] = {
        "protocol": kafka.protocol,
        "ca": {"secret": "kafka-ca", "key": "ca.crt"},
        "credentials": {"secret": "kafka"} if kafka.protocol.startswith("SASL") else None,
    }
    if identified:
        security["clientCertificate"] = {"secret": "filebeat-tls"}
    text = rendered_config(folder / "project", security, (kafka.address,))
    text = text.replace(names.KAFKA_CA_FOLDER, str(kafka.ca.parent))
    text = text.replace(names.KAFKA_CLIENT_FOLDER, str(kafka.client))
    return local_config(folder, text.replace("servestack.iris.", f"servestack.{topic}."))


def test_kafka_client_certificate(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Without the certificate nothing arrives and nothing is lost; with it everything arrives."""
    credentials = {"KAFKA_USERNAME": USERNAME, "KAFKA_PASSWORD": kafka.password}
    kafka.create_topics("mutual")
    unidentified = config_for(kafka, tmp_path, "mutual", identified=False)
    with running_filebeat(tmp_path, unidentified, credentials) as process:
        write_events(tmp_path, "predictions", 0, 1_000)
        (tmp_path / "events/.server-exited").touch()
        assert "time is up" in drain(tmp_path, 5).stderr
        process.kill()
    # The broker only closes the connection: docs/how-to/kafka-with-tls.md says what this may mean.
    assert "run out of available brokers" in (tmp_path / "filebeat.log").read_text()
    assert kafka.read("servestack.mutual.predictions") == []
    identified = config_for(kafka, tmp_path, "mutual", identified=True)
    with running_filebeat(tmp_path, identified, credentials):
        assert drain(tmp_path, 60).stderr == ""
    keys = {key for key, _ in kafka.read("servestack.mutual.predictions")}
    assert keys == {f"predictions-{number:036d}" for number in range(1_000)}
