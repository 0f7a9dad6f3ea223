"""What `servestack topics` gives to Kafka's client, and what it says where it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from servestack.errors import KafkaError
from servestack.kafka.client import KafkaAdmin
from servestack.kafka.plan import Existing, plan
from servestack.kafka.settings import client_settings
from servestack.manifests.topics import Topic
from servestack.spec.environment import Kafka

KAFKA = Kafka.model_validate(
    {"brokers": ["a:9093", "b:9093"], "security": {"credentials": {"secret": "kafka"}}}
)
CREDENTIALS = {"KAFKA_USERNAME": "me", "KAFKA_PASSWORD": "canary-77aa01"}


def test_the_environment_the_file_and_the_variables_in_this_order(tmp_path: Path) -> None:
    file = tmp_path / "admin.properties"
    file.write_text(
        "# mine\n\nbootstrap.servers = localhost:9093\nsasl.username=file\nsasl.password=a=b\n"
        "sasl.mechanisms=plain\n"
    )
    assert client_settings(KAFKA, file, {"KAFKA_USERNAME": "variable"}) == {
        "bootstrap.servers": "localhost:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "variable",
        "sasl.password": "a=b",
    }
    own = client_settings(KAFKA, None, CREDENTIALS)
    assert own["bootstrap.servers"] == "a:9093,b:9093"
    assert own["sasl.mechanism"] == "SCRAM-SHA-512"


def test_brokers_without_a_password_get_none() -> None:
    kafka = Kafka.model_validate({"brokers": ["a:9093"], "security": {"protocol": "SSL"}})
    settings = client_settings(kafka, None, CREDENTIALS)
    assert settings == {"bootstrap.servers": "a:9093", "security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sasl.username=me", "nobody says sasl.password"),
        ("sasl.username canary-77aa01", ":1: SRV551 is no line name=value"),
        ("\nsasl.jaas.config=x password=canary-77aa01", ":2: SRV551 sasl.jaas.config is a setting"),
        ("ssl.truststore.location=/a", "write ssl.ca.location, a PEM file"),
    ],
)
def test_a_file_that_does_not_do(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "admin.properties"
    file.write_text(text)
    with pytest.raises(KafkaError) as caught:
        client_settings(KAFKA, file, {})
    told = str(caught.value)
    assert message in told
    assert "canary" not in told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KafkaError, match=r"SRV551 .*cannot be read: No such file"):
        client_settings(KAFKA, tmp_path / "none", CREDENTIALS)


def test_a_setting_that_the_client_does_not_know() -> None:
    settings = client_settings(KAFKA, None, CREDENTIALS) | {"ssl.ca.locatoin": "/ca.crt"}
    with pytest.raises(KafkaError, match=r"SRV551 .*ssl\.ca\.locatoin"):
        KafkaAdmin(settings)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(KafkaError, match=r"SRV550 .*\n.*pip install 'servestack\[kafka\]'"):
        KafkaAdmin(client_settings(KAFKA, None, CREDENTIALS))


def test_what_differs() -> None:
    topic = Topic("t", "iris", "feedback", 3, 3, {"retention.ms": "10", "cleanup.policy": "delete"})
    same = {"retention.ms": "10", "cleanup.policy": "delete", "other": "1"}
    (missing,) = plan([topic], {"another": Existing(1, 1, {})})
    assert missing.action == "create"
    (kept,) = plan([topic], {"t": Existing(5, 3, same)})
    assert (kept.action, kept.settings) == ("keep", ())
    (few,) = plan([topic], {"t": Existing(2, 3, same)})
    assert (few.action, few.lacks_partitions) == ("change", True)
    (changed,) = plan([topic], {"t": Existing(3, 3, same | {"retention.ms": "5"})})
    assert [(s.name, s.old, s.new) for s in changed.settings] == [("retention.ms", "5", "10")]
    (copies,) = plan([topic], {"t": Existing(3, 1, same)})
    assert (copies.action, copies.has_other_copies) == ("change", True)
