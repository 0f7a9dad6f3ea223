"""The settings of Kafka's client, and what it reports in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.errors import KafkaError
from servestack.kafka import connection
from servestack.kafka.connection import client_settings
from servestack.kafka.reports import plain_reason
from servestack.spec.environment import Kafka, KafkaSecurity

OWN = {"KAFKA_USERNAME": "ana", "KAFKA_PASSWORD": "own"}


def kafka(protocol: str = "SASL_SSL") -> Kafka:
    given = {"protocol": protocol, "mechanism": "SCRAM-SHA-256"}
    security = KafkaSecurity.model_validate(given)
    return Kafka.model_construct(brokers=("a:9093", "b:9093"), security=security)


def test_the_environment_and_the_callers_own_credentials(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.touch()
    found = client_settings(kafka(), {**OWN, "KAFKA_CA_FILE": str(ca), "HOME": "/"})
    assert found == {
        "bootstrap.servers": "a:9093,b:9093", "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "ana", "sasl.password": "own",
        "ssl.ca.location": str(ca), "client.id": "servestack", "log_level": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "parts"),
    [("PLAINTEXT", set()), ("SSL", {"ssl"}), ("SASL_PLAINTEXT", {"sasl"}), ("SASL_SSL", {"sasl", "ssl"})],
)  # fmt: skip
def test_only_what_the_protocol_takes(tmp_path: Path, protocol: str, parts: set[str]) -> None:
    """librdkafka would read a certificate for a connection without TLS, and fail."""
    file = tmp_path / "file"
    file.touch()
    files = {
        "KAFKA_CA_FILE": str(file),
        "KAFKA_CERTIFICATE_FILE": str(file),
        "KAFKA_KEY_FILE": str(file),
    }
    found = client_settings(kafka(protocol), OWN | files)
    assert {name.split(".")[0] for name in found} & {"sasl", "ssl"} == parts


def test_a_file_of_properties_wins(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("# outside\nbootstrap.servers = out:9094\n\nsasl.password=a=b\n")
    found = client_settings(kafka(), {"KAFKA_USERNAME": "ana", "KAFKA_PASSWORD": "x"}, file)
    assert (found["bootstrap.servers"], found["sasl.password"]) == ("out:9094", "a=b")
    file.write_text("security.protocol=PLAINTEXT\n")
    assert client_settings(kafka(), {}, file)["security.protocol"] == "PLAINTEXT"
    file.write_text("sasl.mechanism=OAUTHBEARER\n")
    assert client_settings(kafka(), {}, file)["sasl.mechanism"] == "OAUTHBEARER"


@pytest.mark.parametrize(
    ("variables", "text", "message"),
    [
        ({}, None, "KAFKA_USERNAME and KAFKA_PASSWORD are not set"),
        ({"KAFKA_USERNAME": "ana"}, None, "KAFKA_PASSWORD is not set"),
        ({**OWN, "KAFKA_KEY_FILE": "/no/key"}, None, "no file /no/key"),
        (OWN, "ssl.ca.location=/no/ca", "no file /no/ca\n    correct ssl.ca.location in"),
        (OWN, "a=b\nsasl.password", ":2: SRV561 this line is not name=value"),
        (OWN, "missing", "cannot be read: No such file"),
    ],
)
def test_what_is_missing(
    tmp_path: Path, variables: dict[str, str], text: str | None, message: str
) -> None:
    file = tmp_path / "mine"
    if text is not None and text != "missing":
        file.write_text(text)
    with pytest.raises(KafkaError) as raised:
        client_settings(kafka(), variables, file if text is not None else None)
    assert message in str(raised.value)


def test_the_client_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    with pytest.raises(KafkaError, match="SRV560"):
        client_settings(kafka(), OWN)


@pytest.mark.parametrize(
    ("told", "plain"),
    [
        ("sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed "
         "(after 301ms in state AUTH_REQ)", "SASL authentication error: Authentication failed"),
        ("127.0.0.1:9093/1: Disconnected (after 5ms in state UP, 3 identical error(s) suppressed)",
         "Disconnected"),
        ("ssl://kafka:9093/bootstrap: SSL handshake failed: ../deps/ssl/statem_clnt.c:1889: "
         "error:0A000086:SSL routines::certificate verify failed: broker certificate could not be "
         "verified, verify that ssl.ca.location is correctly configured or root CA certificates "
         "are installed (add broker's CA certificate to the Windows Root store) (after 4ms in state "
         "SSL_HANDSHAKE, 1 identical error(s) suppressed)",
         "SSL handshake failed: certificate verify failed: broker certificate could not be verified"),
        ("1/1 brokers are down", "1/1 brokers are down"),
        ("", ""),
    ],
)  # fmt: skip
def test_reasons(told: Any, plain: str) -> None:
    assert plain_reason(told) == plain
