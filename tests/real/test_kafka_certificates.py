"""Events go through the real Filebeat to a real Kafka that asks for a client's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.real.test_filebeat import write_events
from tests.support.kafka import USERNAME, KafkaCluster, running_kafka
from tests.support.kafka_certificates import client_folder
from tests.support.sidecar import Sidecar, kafka_sidecar


@pytest.fixture(scope="module", params=["SSL", "SASL_SSL"])
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaCluster]:
    """One that identifies its clients by certificates alone, one that asks for a password too."""
    folder = tmp_path_factory.mktemp("kafka")
    with running_kafka(folder, protocol=request.param, wants_certificates=True) as cluster:
        yield cluster


def mount_client(sidecar: Sidecar, folder: Path) -> None:
    sidecar.mount("client", {file.name: file.read_bytes() for file in folder.iterdir()})


def arrived(kafka: KafkaCluster, topic: str) -> set[str]:
    return {key for key, _ in kafka.read(f"servestack.{topic}.predictions")}


def expected(count: int) -> set[str]:
    return {f"predictions-{number:036d}" for number in range(count)}


def test_kafka_client_certificate(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Without a certificate that holds nothing arrives and nothing is lost. When the Secret has a
    new one, the same container ships what has waited."""
    kafka.create_topics("mutual")
    unidentified = kafka_sidecar(tmp_path, kafka, "mutual", identified=False)
    with unidentified.running():
        write_events(tmp_path, "predictions", 0, 1_000)
        (tmp_path / "events/.server-exited").touch()
        assert "time is up" in unidentified.drain(5)
    assert arrived(kafka, "mutual") == set()

    sidecar = kafka_sidecar(tmp_path, kafka, "mutual")
    past = datetime.now(UTC) - timedelta(hours=1)
    mount_client(sidecar, client_folder(kafka.authority, tmp_path / "expired", USERNAME, past))
    with sidecar.running():
        assert "time is up" in sidecar.drain(5)
        assert arrived(kafka, "mutual") == set()
        mount_client(sidecar, client_folder(kafka.authority, tmp_path / "renewed", USERNAME))
        assert sidecar.drain(60) == ""
    assert arrived(kafka, "mutual") == expected(1_000)


def test_another_authority_is_trusted_when_the_secret_has_it(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    kafka.create_topics("authority")
    sidecar = kafka_sidecar(tmp_path, kafka, "authority")
    other = trustme.CA().cert_pem.bytes()
    sidecar.mount("ca", {"ca.crt": other})
    with sidecar.running():
        write_events(tmp_path, "predictions", 0, 100)
        (tmp_path / "events/.server-exited").touch()
        assert "time is up" in sidecar.drain(5)
        # Both, as docs/how-to/rotate-keys.md says, for as long as the brokers change.
        sidecar.mount("ca", {"ca.crt": other + kafka.ca.read_bytes()})
        assert sidecar.drain(60) == ""
    assert arrived(kafka, "authority") == expected(100)
