"""Filebeat 7.17 accepts the configuration that is rendered, and the drain script waits for it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from tools.install import install

from servestack.manifests import names
from servestack.manifests.log_shipping import build_filebeat_config_map
from tests.support.filebeat import (
    PLAINTEXT,
    config_to_a_file,
    drain,
    rendered_config,
    running_filebeat,
)
from tests.support.projects import REPOSITORY
from tests.support.services import resolved

CREDENTIALS = {"secret": "kafka"}
CA = {"secret": "kafka-ca", "key": "ca.crt"}
SECURITY = [
    PLAINTEXT,
    {"protocol": "SSL", "credentials": None},
    {"protocol": "SSL", "credentials": None, "ca": CA},
    *(
        {"protocol": protocol, "mechanism": mechanism, "credentials": CREDENTIALS}
        for protocol in ("SASL_PLAINTEXT", "SASL_SSL")
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    ),
]


@pytest.mark.parametrize("security", SECURITY, ids=lambda s: "-".join(map(str, s.values()))[:40])
def test_configuration_is_accepted(tmp_path: Path, security: dict[str, Any]) -> None:
    config = tmp_path / "filebeat.yml"
    text = rendered_config(tmp_path / "project", security)
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    config.write_text(
        text.replace(names.KAFKA_CA_FOLDER, str(tmp_path)).replace(
            names.FILEBEAT_DATA_FOLDER, str(tmp_path)
        )
    )
    done = subprocess.run(
        [install("filebeat"), "test", "config", "--strict.perms=false", "-c", config],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "Config OK", done.stderr


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    """The test above could not fail if Filebeat took anything."""
    text = rendered_config(tmp_path / "project", PLAINTEXT)
    config = tmp_path / "filebeat.yml"
    config.write_text(text.replace("required_acks: -1", "required_acks: many"))
    done = subprocess.run(
        [install("filebeat"), "test", "config", "--strict.perms=false", "-c", config],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0


def write_events(folder: Path, kind: str, first: int, count: int) -> None:
    with (folder / f"events/{kind}-1.ndjson").open("a") as stream:
        for number in range(first, first + count):
            stream.write(
                json.dumps({"id": f"{kind}-{number:036d}", "source": "/models/iris"}) + "\n"
            )


def test_drain_returns_when_everything_is_out(tmp_path: Path) -> None:
    with running_filebeat(tmp_path, config_to_a_file(tmp_path)):
        write_events(tmp_path, "predictions", 0, 20_000)
        write_events(tmp_path, "feedback", 0, 500)
        write_events(tmp_path, "predictions", 20_000, 5_000)
        (tmp_path / "events/.server-exited").touch()
        done = drain(tmp_path, 60)
        assert done.stderr == ""
        lines = (tmp_path / "out/events").read_text().splitlines()
    ids = {json.loads(line)["id"] for line in lines}
    assert len(ids) == 25_500


def test_drain_waits_for_the_server_and_no_longer_than_told(tmp_path: Path) -> None:
    with running_filebeat(tmp_path, config_to_a_file(tmp_path)):
        write_events(tmp_path, "predictions", 0, 100)
        started = time.monotonic()
        done = drain(tmp_path, 3)
        assert "time is up" in done.stderr
        assert 2 <= time.monotonic() - started < 6


def test_the_script_is_mounted_where_it_is_called(tmp_path: Path) -> None:
    service = resolved(tmp_path)
    config_map = build_filebeat_config_map(service)
    assert config_map is not None
    assert config_map["data"]["drain.sh"] == (REPOSITORY / "logging/drain.sh").read_text()
