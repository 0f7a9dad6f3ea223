"""A rendered pod as processes of this machine: what the kubelet does for it, without a node.

Its volumes are folders, its two long-running containers run with the arguments, the settings and
the variables that are rendered; only the paths and the ports are this machine's. A container that
exits is started again, and both are stopped as the kubelet stops them: the hooks at one moment, then
the server, then Filebeat.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack_contract import metrics
from tests.support.ports import free_ports
from tests.support.tools import installed

RESTART_SECONDS = 1.0
"""The kubelet restarts a container at once the first time, and looks at them each second."""
_READY_SECONDS = 60
Secrets = dict[str, dict[str, str]]
"""Secrets by name, with their values by key."""


class Container:
    """One container: how to start it, and the process that it is now."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.command, self.log = name, command, log
        # Scripts in the container find its programs by their names.
        programs = f"{installed('filebeat').parent}:{os.environ['PATH']}"
        self.variables: dict[str, str] = {"PATH": programs}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with the variables that it has now."""
        # The kernel ends it when whoever started it is killed.
        command = ["setpriv", "--pdeathsig", "KILL", *self.command]
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                env=os.environ | self.variables, start_new_session=True,
            )  # fmt: skip

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it has started, as to all of a container."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def kill_program(self, name: str) -> None:
        """SIGKILL of the program of this name alone, where a script has started it."""
        if self.process is None:
            return
        found = subprocess.run(
            ["pgrep", "--session", str(self.process.pid), "--exact", name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)

    def has_exited(self) -> bool:
        return self.process is not None and self.process.poll() is not None


class Pod:
    """The pod of a Deployment among `bodies`.

    `secrets` are those that the namespace has. `model` is the folder of a baked artifact, in place
    of what the init container would fetch. `disk` is a folder for what the node's disk holds of the
    pod: its emptyDirs, but for those in memory and the model.
    """

    def __init__(
        self, folder: Path, bodies: Sequence[Body], *, secrets: Secrets, model: Path,
        disk: Path | None = None,
    ) -> None:  # fmt: skip
        (deployment,) = [body for body in bodies if body["kind"] == "Deployment"]
        self._configs = {
            b["metadata"]["name"]: b["data"] for b in bodies if b["kind"] == "ConfigMap"
        }
        self._spec = deployment["spec"]["template"]["spec"]
        self._secrets = secrets
        self._folder = folder
        self._disk = disk
        self.name: str = deployment["metadata"]["name"]
        self.port, self._stats_port = free_ports(2)
        (server,) = self._spec["containers"]
        (filebeat,) = [c for c in self._spec["initContainers"] if c.get("restartPolicy")]
        self._bodies = {"server": server, "filebeat": filebeat}
        self._folders = {
            mount["mountPath"]: self.volume(mount["name"])
            for body in self._bodies.values()
            for mount in body["volumeMounts"]
            if mount["name"] != "tmp"
        }
        self.server = self._container("server", [_server(), *self._arguments(server), f"--port={self.port}", "--host=127.0.0.1"])  # fmt: skip
        entry = filebeat.get("command") or [str(installed("filebeat"))]
        self.filebeat = self._container(
            "filebeat", [*map(self._here, entry), *self._arguments(filebeat)]
        )
        self._counted_before = 0
        self._write_volumes()
        place = self.volume("models") / self.name
        place.symlink_to(model)
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._watch = threading.Thread(target=self._restart_exited, daemon=True)

    def __enter__(self) -> Pod:
        for container in (self.filebeat, self.server):
            self._variables(container)
            container.start()
        deadline = time.monotonic() + _READY_SECONDS
        while self._get("/readyz") is None:
            if self.server.has_exited() or time.monotonic() > deadline:
                self._end()
                raise RuntimeError(f"{self.name} is not ready:\n{self.said('server')}")
            time.sleep(0.05)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:  # fmt: skip
        self._end()

    def _end(self) -> None:
        self._stop_restarts()
        for container in (self.server, self.filebeat):
            container.signal(signal.SIGCONT)
            container.kill()
        self._ended.set()

    @property
    def url(self) -> str:
        """Where its model predicts."""
        return f"http://127.0.0.1:{self.port}/v1/{self.name}/predict"

    def said(self, container: str) -> str:
        """The end of a container's log."""
        return (self._folder / f"{container}.log").read_text(errors="replace")[-4000:]

    def volume(self, name: str) -> Path:
        """The folder that is this volume."""
        (volume,) = [v for v in self._spec["volumes"] if v["name"] == name]
        is_on_disk = "emptyDir" in volume and volume["emptyDir"].get("medium") != "Memory"
        if self._disk is not None and is_on_disk and name != "models":
            return self._disk / name
        return self._folder / "volumes" / name

    def set_secret(self, name: str, **values: str) -> None:
        """Change a Secret: mounted files follow, variables do with the container's next start."""
        self._secrets[name] = self._secrets[name] | values
        for volume in self._spec["volumes"]:
            if volume.get("secret", {}).get("secretName") == name:
                self._write_secret(volume)

    def kill_server(self) -> None:
        """SIGKILL of the server, which takes its metrics with it: they are read before."""
        self._counted_before += self._dropped()
        self.server.kill()

    def dropped(self) -> int:
        """What the metric has counted as dropped, of all servers that this pod has had."""
        return self._counted_before + self._dropped()

    def _dropped(self) -> int:
        return int(sum(self._samples(metrics.EVENTS_DROPPED.name)))

    def unshipped_bytes(self) -> float:
        """Bytes on disk that Kafka has not acknowledged, by the server's metric."""
        return sum(self._samples(metrics.EVENTS_UNSHIPPED.name))

    def is_ready(self) -> bool:
        return self._get("/readyz") is not None

    def _samples(self, metric: str) -> list[float]:
        text = self._get("/metrics")
        if text is None:
            raise RuntimeError(f"{self.name} shows no metrics:\n{self.said('server')}")
        return [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == metric
        ]

    def _get(self, path: str) -> str | None:
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self.port}{path}", retries=False, timeout=5
            )
        except urllib3.exceptions.HTTPError:
            return None
        return answer.data.decode() if answer.status == 200 else None

    def stop(self) -> bool:
        """Stop it as the kubelet does; whether the drain has seen everything out."""
        self._stop_restarts()
        deadline = time.monotonic() + self._spec["terminationGracePeriodSeconds"]
        hook = self._bodies["filebeat"]["lifecycle"]["preStop"]["exec"]["command"]
        drain = subprocess.Popen(
            [*map(self._here, hook)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        sleep = self._bodies["server"].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        time.sleep(sleep.get("seconds", 0))
        self.server.signal(signal.SIGTERM)
        try:
            _, said = drain.communicate(timeout=deadline - time.monotonic())
        except subprocess.TimeoutExpired:
            drain.kill()
            said = "the grace period is over"
        self.filebeat.signal(signal.SIGTERM)
        for container in (self.server, self.filebeat):
            assert container.process is not None
            try:
                container.process.wait(max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                container.kill()
        return said == ""

    def _restart_exited(self) -> None:
        while not self._stopping.wait(0.1):
            for container in (self.filebeat, self.server):
                if container.has_exited() and not self._stopping.wait(RESTART_SECONDS):
                    with self._starting:
                        if not self._stopping.is_set():
                            self._variables(container)
                            container.start()
        # The kernel ends what this thread has started as soon as the thread is over.
        self._ended.wait()

    def _stop_restarts(self) -> None:
        with self._starting:
            self._stopping.set()

    def _container(self, name: str, command: list[str]) -> Container:
        self._folder.mkdir(parents=True, exist_ok=True)
        return Container(name, command, self._folder / f"{name}.log")

    def _arguments(self, body: Body) -> list[str]:
        return [self._here(argument) for argument in body.get("args", [])]

    def _variables(self, container: Container) -> None:
        for variable in self._bodies[container.name].get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                reference = source["secretKeyRef"]
                value = self._secrets[reference["name"]][reference["key"]]
            elif "fieldRef" in source:
                value = f"{self.name}-0"
            else:
                value = self._here(variable["value"])
            container.variables[variable["name"]] = value

    def _here(self, text: str) -> str:
        """A text of the pod, with the folders and ports of this machine."""
        mounted = "|".join(sorted(map(re.escape, self._folders), key=len, reverse=True))
        text = re.sub(
            rf"(?<![\w./-])({mounted})(?![\w.-])", lambda m: str(self._folders[m[1]]), text
        )
        return text.replace(f"port: {names.FILEBEAT_STATS_PORT}", f"port: {self._stats_port}")

    def _write_volumes(self) -> None:
        for volume in self._spec["volumes"]:
            folder = self.volume(volume["name"])
            folder.mkdir(parents=True, exist_ok=True)
            if "configMap" in volume:
                for file, text in self._configs[volume["configMap"]["name"]].items():
                    (folder / file).write_text(self._here(text))
            if "secret" in volume:
                self._write_secret(volume)

    def _write_secret(self, volume: dict[str, Any]) -> None:
        """Each file is replaced whole, as the kubelet replaces them."""
        source, folder = volume["secret"], self.volume(volume["name"])
        values = self._secrets[source["secretName"]]
        items = source.get("items") or [{"key": key, "path": key} for key in values]
        for item in items:
            new = folder / f".{item['path']}"
            new.write_text(values[item["key"]])
            new.rename(folder / item["path"])


def _server() -> str:
    return str(Path(sys.executable).with_name("servestack-server"))
