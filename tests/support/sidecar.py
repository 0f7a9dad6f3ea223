"""The Filebeat container as it is rendered, as processes, with folders in place of its volumes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servestack.manifests import names
from servestack.manifests.log_shipping import build_filebeat_config_map, build_filebeat_container
from tests.support.filebeat import drain
from tests.support.kafka import USERNAME, KafkaCluster
from tests.support.services import resolved
from tests.support.tools import installed

_VOLUMES = {
    names.FILEBEAT_CONFIG_FOLDER: "config",
    names.FILEBEAT_DATA_FOLDER: "data",
    names.FILEBEAT_MEMORY_FOLDER: "memory",
    names.EVENTS_FOLDER: "events",
    names.KAFKA_CREDENTIALS_FOLDER: "credentials",
    names.KAFKA_CA_FOLDER: "ca",
    names.KAFKA_CLIENT_FOLDER: "client",
}
"""Where the container sees a volume, and its folder in the test's."""


@dataclass
class Sidecar:
    """The container's command and files.."""

    folder: Path
    command: list[str]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start it; at the end nothing of it is left, whatever it was doing."""
        path = os.pathsep.join([str(installed("filebeat").parent), os.environ["PATH"]])
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command, stderr=log, env=os.environ | {"PATH": path}, start_new_session=True
            )
        try:
            yield process
        finally:
            self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End the script and its Filebeat at once, as when a container is out of memory."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        process.wait()

    def mount(self, volume: str, files: Mapping[str, bytes | str]) -> None:
        """Write a Secret as the kubelet does: into a new folder, to which a link then points."""
        folder = self.folder / volume
        folder.mkdir(exist_ok=True)
        fresh = folder / f"..{time.monotonic_ns()}"
        fresh.mkdir()
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            (fresh / name).write_bytes(raw)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(Path("..data") / name)
        link, old = folder / "..data_tmp", (folder / "..data")
        before = old.resolve() if old.is_symlink() else None
        link.symlink_to(fresh.name)
        link.replace(folder / "..data")
        if before is not None:
            shutil.rmtree(before)

    def mount_credentials(self, password: str, user: str = USERNAME) -> None:
        """The Secret with a user name and a password."""
        self.mount("credentials", {"username": user, "password": password})

    def drain(self, seconds: int) -> str:
        """Run the preStop hook, and return what it says."""
        return drain(self.folder, seconds).stderr

    def wait_for_starts(self, count: int) -> None:
        """Return when the script has said so often that it starts Filebeat again."""
        self.wait_for_log("starting Filebeat again", count)

    def wait_for_log(self, text: str, count: int = 1, seconds: float = 150) -> None:
        """Return when the log says so, as often as `count`."""
        deadline = time.monotonic() + seconds
        while self.log.read_text().count(text) < count:
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)

    @property
    def log(self) -> Path:
        """What the script and Filebeat write."""
        return self.folder / "filebeat.log"


def kafka_sidecar(
    folder: Path, kafka: KafkaCluster, topic: str, *, identified: bool = True
) -> Sidecar:
    """The sidecar of a model `topic` that logs everything to this Kafka, its Secrets mounted.

    Not `identified`: without the client's certificate.
    """
    security: dict[str, Any] = {
        "protocol": kafka.protocol,
        "ca": {"secret": "kafka-ca", "key": "ca.crt"},
        "credentials": {"secret": "kafka"} if kafka.protocol.startswith("SASL") else None,
    }
    if identified and kafka.client is not None:
        security["clientCertificate"] = {"secret": "filebeat-tls"}
    service = resolved(
        folder / "project",
        {"logging": {"access": True}, "shutdown": {"logDrainSeconds": 5}},
        {"kafka": {"brokers": list(kafka.addresses), "security": security}},
    )
    config_map, container = build_filebeat_config_map(service), build_filebeat_container(service)
    assert config_map is not None and container is not None
    for name in _VOLUMES.values():
        (folder / name).mkdir(exist_ok=True)
    for name, text in config_map["data"].items():
        local = _local(text, folder).replace("servestack.iris.", f"servestack.{topic}.")
        # Several run on this machine; nobody asks for their counts.
        local = local.replace("http: {enabled: true", "http: {enabled: false")
        (folder / "config" / name).write_text(local)
    command = [*container.get("command", ["filebeat"]), *container["args"]]
    sidecar = Sidecar(folder, [_local(argument, folder) for argument in command])
    sidecar.mount("ca", {"ca.crt": kafka.ca.read_bytes()})
    if security["credentials"] is not None:
        sidecar.mount_credentials(kafka.password)
    if identified and kafka.client is not None:
        sidecar.mount("client", {file.name: file.read_bytes() for file in kafka.client.iterdir()})
    return sidecar


def _local(text: str, folder: Path) -> str:
    for seen, name in _VOLUMES.items():
        text = text.replace(seen, str(folder / name))
    return text
