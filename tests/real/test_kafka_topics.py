"""`servestack topics` against three real brokers that ask for a password over TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme
import yaml
from confluent_kafka.admin import (
    ConfigResource,
)
from confluent_kafka.cimpl import NewTopic

from tests.support.kafka import ADMINISTRATOR, USERNAME, KafkaCluster
from tests.support.ports import free_ports
from tests.support.services import ENVIRONMENT, SPEC

PROGRAM = Path(sys.executable).with_name("servestack")
Run = Callable[..., subprocess.CompletedProcess[str]]


class Project:
    """A project with the model iris, for a Kafka; `prefix` is that of its topics."""

    def __init__(self, folder: Path, kafka: KafkaCluster, prefix: str, **topics: Any) -> None:
        self.folder, self.kafka, self.prefix = folder, kafka, prefix
        for name in ("models", "stacks"):
            (folder / name).mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text("{name: models, runtime: python, main: stacks/}\n")
        spec = SPEC | {"artifact": "/models/iris"}
        (folder / "models/iris.yaml").write_text(yaml.safe_dump(spec))
        self.config = folder / "client.properties"
        self.config.write_text(f"# the authority of the brokers\nssl.ca.location={kafka.ca}\n")
        self.set(**topics)

    def set(self, **topics: Any) -> None:
        """Write the environment, with this section kafka.topics."""
        section = {
            "brokers": list(self.kafka.addresses),
            "security": {"credentials": {"secret": "kafka"}},
            "topicPrefix": self.prefix,
            "topics": topics,
        }
        (self.folder / "stacks/prod.yaml").write_text(
            yaml.safe_dump(ENVIRONMENT | {"kafka": section})
        )

    def run(
        self, *arguments: str, user: str = ADMINISTRATOR, password: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """`servestack topics prod`, as a user."""
        variables = {"KAFKA_USERNAME": user}
        variables["KAFKA_PASSWORD"] = password or self.kafka.passwords[user]
        done = subprocess.run(
            [PROGRAM, "topics", "prod", f"--client-config={self.config}", *arguments],
            cwd=self.folder, env=os.environ | variables, capture_output=True, text=True,
            check=False, timeout=150,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert variables["KAFKA_PASSWORD"] not in done.stdout + done.stderr
        return done


def config_of(kafka: KafkaCluster, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    (answer,) = kafka.admin.describe_configs([resource]).values()
    return {name: str(entry.value) for name, entry in answer.result(timeout=30).items()}


def test_topics_are_planned_made_and_changed(three_brokers: KafkaCluster, tmp_path: Path) -> None:
    kafka = three_brokers
    project = Project(tmp_path, kafka, "made")
    planned = project.run()
    assert planned.returncode == 2
    assert "+ made.iris.predictions" in planned.stdout
    assert "2 topics, 2 to create" in planned.stdout
    assert "made.iris.predictions" not in kafka.admin.list_topics(timeout=10).topics

    made = project.run("--apply")
    assert (made.returncode, made.stdout) == (0, "prod: 2 topics, nothing differs\n")
    partitions = kafka.admin.list_topics(timeout=10).topics["made.iris.predictions"].partitions
    assert [len(partition.replicas) for partition in partitions.values()] == [3] * 6
    config = config_of(kafka, "made.iris.predictions")
    assert config["min.insync.replicas"] == "2"
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert config["retention.ms"] == str(168 * 3_600_000)
    assert project.run().returncode == 0

    project.set(predictions={"partitions": 8, "retentionHours": 24}, replicationFactor=2)
    differing = project.run()
    assert differing.returncode == 2
    assert "retention.ms: 604800000 → 86400000" in differing.stdout
    assert "partitions: 6 → 8, with --apply --raise-partitions" in differing.stdout
    assert "copies: 3 instead of 2; kafka-reassign-partitions.sh" in differing.stdout

    # Settings are changed; partitions only with the flag; copies never.
    applied = project.run("--apply", "--output", "json")
    assert applied.returncode == 2
    (predictions, _) = json.loads(applied.stdout)["topics"]
    assert predictions["settings"] == []
    assert predictions["partitions"] == {"have": 6, "want": 8}
    assert predictions["copies"] == {"have": 3, "want": 2}
    assert config_of(kafka, "made.iris.predictions")["retention.ms"] == "86400000"
    raised = project.run("--apply", "--raise-partitions")
    assert "made.iris.predictions: partitions added" in raised.stderr
    assert len(kafka.admin.list_topics(timeout=10).topics["made.iris.predictions"].partitions) == 8

    # Fewer than there are: nothing to do, and nothing is taken away.
    project.set(predictions={"retentionHours": 24}, minInSyncReplicas=2)
    assert "note: 8 partitions are more than 6" in project.run().stdout
    assert project.run("--apply").returncode == 0
    assert len(kafka.admin.list_topics(timeout=10).topics["made.iris.predictions"].partitions) == 8


def test_topics_that_no_model_needs_are_left_alone(
    three_brokers: KafkaCluster, tmp_path: Path
) -> None:
    kafka = three_brokers
    for created in kafka.admin.create_topics([NewTopic("left.old.predictions", 1, 3)]).values():
        created.result(timeout=30)
    project = Project(tmp_path, kafka, "left")
    applied = project.run("--apply")
    assert "left.old" not in applied.stdout + applied.stderr
    assert "left.old.predictions" in kafka.admin.list_topics(timeout=10).topics


def test_a_wrong_password_is_told_at_once(three_brokers: KafkaCluster, tmp_path: Path) -> None:
    started = time.monotonic()
    done = Project(tmp_path, three_brokers, "wrong").run(password="never-the-password")
    assert done.returncode == 1
    assert "SRV563" in done.stderr and "Authentication failed" in done.stderr
    assert time.monotonic() - started < 15


def test_an_authority_that_is_not_trusted_is_told(
    three_brokers: KafkaCluster, tmp_path: Path
) -> None:
    project = Project(tmp_path, three_brokers, "untrusted")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.crt")
    project.config.write_text(f"ssl.ca.location={tmp_path / 'other.crt'}\n")
    done = project.run()
    assert done.returncode == 1
    assert "SRV563" in done.stderr and "certificate verify failed" in done.stderr
    assert "KAFKA_CA_FILE" in done.stderr


def test_nobody_answers(three_brokers: KafkaCluster, tmp_path: Path) -> None:
    project = Project(tmp_path, three_brokers, "nobody")
    (port,) = free_ports(1)
    with project.config.open("a") as config:
        config.write(f"bootstrap.servers=127.0.0.1:{port}\n")
    started = time.monotonic()
    done = project.run()
    assert done.returncode == 1
    assert "SRV562" in done.stderr and "Connection refused" in done.stderr
    assert time.monotonic() - started < 30


def test_a_user_without_rights_is_told_which(three_brokers: KafkaCluster, tmp_path: Path) -> None:
    """Filebeat's user may write and describe the topics of its prefix, and no more."""
    kafka = three_brokers
    project = Project(tmp_path, kafka, "rights")
    blind = project.run(user=USERNAME)
    assert blind.returncode == 1
    assert "rights.iris.predictions: not authorized to describe it" in blind.stderr
    assert "SRV555" in blind.stderr and "Describe" in blind.stderr
    kafka.allow_writing("rights")
    cannot_create = project.run("--apply", user=USERNAME)
    assert cannot_create.returncode == 1
    assert "rights.iris.predictions: not authorized to create it" in cannot_create.stderr


def test_more_copies_than_brokers_are_refused(three_brokers: KafkaCluster, tmp_path: Path) -> None:
    done = Project(tmp_path, three_brokers, "copies", replicationFactor=4).run()
    assert done.returncode == 1
    assert "SRV556" in done.stderr
    assert "4 copies, and Kafka has 3 brokers now" in done.stderr


def test_strimzis_topics_are_not_changed(three_brokers: KafkaCluster, tmp_path: Path) -> None:
    section = {"managedBy": "strimzi", "cluster": "events", "namespace": "kafka"}
    project = Project(tmp_path, three_brokers, "operator", **section)
    assert project.run().returncode == 2
    refused = project.run("--apply")
    assert refused.returncode == 1 and "SRV557" in refused.stderr
