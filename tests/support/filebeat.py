"""The real Filebeat with the configuration that is rendered, in a test's folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from servestack.manifests import names
from servestack.manifests.log_shipping import filebeat_config
from tests.support.projects import REPOSITORY
from tests.support.services import resolved
from tests.support.tools import installed

PLAINTEXT: dict[str, Any] = {"protocol": "PLAINTEXT", "credentials": None}


def rendered_config(
    folder: Path, security: dict[str, Any], brokers: tuple[str, ...] = ("a:9093", "b:9093")
) -> str:
    """filebeat.yml of a service that logs everything, for brokers of this security."""
    service = resolved(
        folder,
        {"logging": {"access": True}},
        {"kafka": {"brokers": list(brokers), "security": security}},
    )
    return filebeat_config(service)


def local_config(folder: Path, rendered: str) -> dict[str, Any]:
    """What is rendered, with `events` and `data` of a folder in place of a pod's volumes."""
    text = rendered.replace(names.EVENTS_FOLDER, str(folder / "events"))
    config: dict[str, Any] = yaml.safe_load(text)
    config["path.data"] = str(folder / "data")
    config["http"] = {"enabled": False}
    return config


def config_to_a_file(folder: Path) -> dict[str, Any]:
    """The rendered inputs, with out/events in Kafka's place."""
    config = local_config(folder, rendered_config(folder / "project", PLAINTEXT))
    del config["output.kafka"]
    config["output.file"] = {
        "path": str(folder / "out"),
        "filename": "events",
        "rotate_every_kb": 2**20,
        "codec.format.string": "%{[message]}",
    }
    return config


@contextmanager
def running_filebeat(
    folder: Path, config: dict[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Filebeat, with its log in filebeat.log; ended by its own handle."""
    (folder / "events").mkdir(exist_ok=True)
    file = folder / "filebeat.yml"
    file.write_text(yaml.safe_dump(config))
    with (folder / "filebeat.log").open("ab") as log:
        process = subprocess.Popen(
            [installed("filebeat"), "-e", "--strict.perms=false", "-c", file],
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def drain(folder: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    """The preStop of Filebeat's container."""
    script = REPOSITORY / "logging/drain.sh"
    return subprocess.run(
        ["sh", script, folder / "events", folder / "data", str(seconds)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
