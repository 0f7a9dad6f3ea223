"""Filebeat's container, configuration and volumes, and what the templates of logging/ agree on."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from servestack.errors import BuildError
from servestack.manifests import log_shipping
from servestack.manifests.log_shipping import (
    build_filebeat_config_map,
    build_filebeat_container,
    filebeat_volumes,
    largest_event_bytes,
)
from servestack.manifests.server_settings import server_settings, settings_text
from servestack.resolve.resolved import Topics
from servestack_contract.settings import read_settings
from tests.support.projects import REPOSITORY
from tests.support.services import NULL, resolved


@pytest.mark.parametrize(
    "name", ["a", "data", "filebeat", "http", "kafka", "output", "queue", "true"]
)
def test_a_model_may_be_called_like_a_setting(tmp_path: Path, name: str) -> None:
    body = build_filebeat_config_map(resolved(tmp_path, {"name": name}))
    assert body is not None
    config = yaml.safe_load(body["data"]["filebeat.yml"])
    topics = [given["fields"]["topic"] for given in config["filebeat.inputs"]]
    assert topics == [f"servestack.{name}.predictions", f"servestack.{name}.feedback"]


def test_each_shipped_kind_has_its_input(tmp_path: Path) -> None:
    spec = {"logging": {"predictions": NULL, "access": True, "topicPrefix": "growth"}}
    body = build_filebeat_config_map(resolved(tmp_path, spec))
    assert body is not None
    inputs = yaml.safe_load(body["data"]["filebeat.yml"])["filebeat.inputs"]
    assert [(given["id"], given["paths"], given["fields"]["topic"]) for given in inputs] == [
        (kind, [f"/var/log/servestack/{kind}-*.ndjson"], f"growth.iris.{kind}")
        for kind in ("feedback", "access")
    ]


def test_the_server_is_told_when_to_write_events_where_the_spec_says_so(tmp_path: Path) -> None:
    """The default is the server's own, and not written out."""
    for number, (given, told) in enumerate(
        [({}, None), ({"durability": "process"}, None), ({"durability": "buffered"}, "buffered")]
    ):
        service = resolved(tmp_path / str(number), {"logging": given})
        text = settings_text(server_settings(service))
        assert json.loads(text)["events"].get("durability") == told
        read = read_settings(text.encode()).events
        assert read is not None
        assert read.durability == told


@pytest.mark.parametrize(
    ("spec", "environment"),
    [
        ({}, {"kafka": None, "network": {"kafka": None}}),
        ({"logging": {"predictions": NULL, "feedback": False}}, {}),
    ],
    ids=["no Kafka", "nothing to ship"],
)
def test_nothing_shipped_is_no_sidecar(
    tmp_path: Path, spec: dict[str, object], environment: dict[str, object]
) -> None:
    service = resolved(tmp_path, spec, environment)
    assert build_filebeat_config_map(service) is None
    assert build_filebeat_container(service) is None
    assert filebeat_volumes(service) == []


def test_credentials_and_authority_come_from_secrets(tmp_path: Path) -> None:
    security = {
        "credentials": {"secret": "users", "usernameKey": "who", "passwordKey": "word"},
        "ca": {"secret": "authority", "key": "ca.pem"},
    }
    service = resolved(tmp_path, None, {"kafka": {"security": security}})
    container = build_filebeat_container(service)
    assert container is not None
    assert "env" not in container
    volumes = {volume["name"]: volume for volume in filebeat_volumes(service)}
    assert volumes["kafka-credentials"]["secret"] == {
        "secretName": "users",
        "defaultMode": 0o440,
        "items": [{"key": "who", "path": "username"}, {"key": "word", "path": "password"}],
    }
    assert volumes["filebeat-memory"]["emptyDir"]["medium"] == "Memory"
    assert volumes["kafka-ca"]["secret"]["secretName"] == "authority"
    # `events` belongs to the server, which has it in any case.
    assert {mount["name"] for mount in container["volumeMounts"]} == {*volumes, "events"}
    body = build_filebeat_config_map(service)
    assert body is not None
    output = yaml.safe_load(body["data"]["filebeat.yml"])["output.kafka"]
    assert not {"username", "password"} & set(output)
    assert output["ssl"]["certificate_authorities"] == ["/etc/kafka-ca/ca.pem"]


def test_the_drain_ends_within_the_grace_period(tmp_path: Path) -> None:
    from servestack.manifests.workload import grace_period_seconds

    shutdown = {"drainSeconds": 7, "requestSeconds": 40, "logDrainSeconds": 13}
    service = resolved(tmp_path, {"shutdown": shutdown})
    container = build_filebeat_container(service)
    assert container is not None
    seconds = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert 7 + 40 + 13 == seconds < grace_period_seconds(service)


@pytest.mark.parametrize(
    ("template", "message"),
    [("queue.mem: {", "valid YAML"), ("- a", "lacks"), ("queue.mem: {}", "lacks filebeat.inputs")],
)
def test_a_template_that_went_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, message: str
) -> None:
    monkeypatch.setattr(log_shipping, "form", lambda *given: template)
    with pytest.raises(BuildError, match=message):
        build_filebeat_config_map(resolved(tmp_path))


@pytest.mark.parametrize(
    ("largest_event", "largest_message", "expected"),
    [("1Mi", "1Mi", 2**20 - 256), ("1Mi", "2Mi", 2**20), ("1Ki", "1Ki", 768)],
)
def test_the_largest_event_fits_a_message_with_its_key(
    tmp_path: Path, largest_event: str, largest_message: str, expected: int
) -> None:
    from servestack.manifests.server_settings import build_server_config_map

    service = resolved(
        tmp_path,
        {"logging": {"maxEvent": largest_event}},
        {"kafka": {"maxMessage": largest_message}},
    )
    assert largest_event_bytes(service) == expected
    (server,) = build_server_config_map(service)["data"].values()
    assert f"{expected}" in server
    body = build_filebeat_config_map(service)
    assert body is not None
    config = yaml.safe_load(body["data"]["filebeat.yml"])
    assert {given["message_max_bytes"] for given in config["filebeat.inputs"]} == {expected}
    # 36 bytes of the client, the longest id that logging/event.schema.json allows.
    assert config["output.kafka"]["max_message_bytes"] >= expected + 36 + 128


def test_the_topics_to_make_are_the_topics_that_are_written() -> None:
    topics = yaml.safe_load((REPOSITORY / "logging/topics.yaml").read_text())
    assert set(topics["kinds"]) == {field.name for field in fields(Topics)}
    assert topics["config"]["message.timestamp.type"] == "LogAppendTime"


def test_a_search_for_a_leader_outlasts_the_breaker(tmp_path: Path) -> None:
    """Three failures within ten seconds open the breaker of Filebeat's Kafka client, and batches that
    it refuses are counted as shipped: tests/faults has the real thing."""
    body = build_filebeat_config_map(resolved(tmp_path))
    assert body is not None
    output = yaml.safe_load(body["data"]["filebeat.yml"])["output.kafka"]
    retry = output["metadata.retry"]
    assert retry["backoff"].endswith("ms")
    assert retry["max"] * int(retry["backoff"].removesuffix("ms")) > 10_000


def test_a_full_disk_does_not_reach_the_registry(tmp_path: Path) -> None:
    """tests/faults fills a disk: Filebeat does not recover from a registry on it."""
    volumes = {volume["name"]: volume for volume in filebeat_volumes(resolved(tmp_path))}
    assert volumes["filebeat-data"]["emptyDir"]["medium"] == "Memory"
