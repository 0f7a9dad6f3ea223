"""Model servers, what is rendered for them, and a Prometheus that scrapes them: all real.

Each server is a pod of a model: its settings are those that are rendered, but for folders and ports.
Prometheus has the rendered rules, and gives each target the label `pod`, as the operator does.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from serving_image.tests.support.iris import COLUMNS, Iris, train_iris
from serving_image.tests.support.server import (
    READY_SECONDS,
    RunningServer,
    free_port,
    running_server,
)

from servestack.manifests.dashboards import dashboard_text, fleet_text
from servestack.manifests.rules import rule_groups
from servestack.manifests.server_settings import server_settings
from servestack.resolve.resolved import ResolvedService
from servestack_contract.settings import to_plain
from tests.support.services import merged, resolved
from tests.support.tools import installed

SPEC: dict[str, Any] = {
    "description": "Species of an iris from four measurements.",
    "owner": "growth-ml",
    "api": {
        "input": {
            "columns": [
                {"name": name, "type": "double", "minimum": 0, "maximum": 100} for name in COLUMNS
            ]
        },
        "limits": {"maxQueue": 8},
    },
    "rollout": {"strategy": "canary", "steps": [50, 100]},
    "logging": {"predictions": {"sample": 1.0}, "feedback": True},
    "monitoring": {
        "slo": {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}},
        "drift": True,
        "scrapeIntervalSeconds": 5,
    },
}
ENVIRONMENT: dict[str, Any] = {
    "kafka": {
        "brokers": ["kafka:9093"],
        "security": {"credentials": {"secret": "kafka"}},
    },
    "grafana": {"folder": "Models", "url": "https://grafana.example.com"},
    "prometheus": {"style": "operator", "runbooks": "https://docs.example.com/alerts.html"},
}


@dataclass(frozen=True)
class Pod:
    """A server of a model: the version that it serves, and the side of a rollout that it is on."""

    name: str
    model: str
    version: str
    port: int
    variant: str = "stable"


class System:
    """Models of one environment. Pods are started and stopped by name; Prometheus knows all of them."""

    def __init__(
        self, folder: Path, models: Sequence[str], pods: Sequence[Pod], disk_budget: str
    ) -> None:
        self.folder = folder
        self.pods = {pod.name: pod for pod in pods}
        self.services = {
            name: resolved(
                folder / "projects" / name,
                merged(SPEC, {"name": name, "logging": {"diskBudget": disk_budget, "maxEvent": "128Ki"}}),
                ENVIRONMENT,
            )
            for name in models
        }
        self.iris: Iris = train_iris(folder / "model")
        self._running: dict[str, tuple[ExitStack, RunningServer]] = {}

    @property
    def running(self) -> dict[str, RunningServer]:
        """The servers that run, by the names of their pods."""
        return {name: server for name, (_, server) in self._running.items()}

    def start(self, name: str) -> RunningServer:
        """Start a pod, and wait until it is ready."""
        pod = self.pods[name]
        place = self.folder / "pods" / name
        stack = ExitStack()
        config = self._settings(self.services[pod.model], place, pod)
        server = stack.enter_context(
            running_server(config, place, versions={pod.model: pod.version}, port=pod.port)
        )
        self._running[name] = (stack, server)
        return server

    def stop(self, name: str) -> None:
        """Stop a pod as a rollout does."""
        stack, _ = self._running.pop(name)
        stack.close()

    def close(self) -> None:
        for name in [*self._running]:
            self.stop(name)

    def board(self, model: str) -> str:
        """The rendered dashboard of a model."""
        return dashboard_text(self.services[model])

    def fleet(self) -> str:
        """The rendered dashboard of the environment."""
        return fleet_text(next(iter(self.services.values())).environment)

    def _settings(self, service: ResolvedService, place: Path, pod: Pod) -> dict[str, Any]:
        settings = to_plain(server_settings(service))
        # No Filebeat runs here, so its registry stays empty: events pile up as if Kafka were down.
        for name in ("folder", "registry"):
            (place / name).mkdir(parents=True)
            settings["events"][name] = str(place / name)
        settings["models"] = [{"name": pod.model, "path": str(self.iris.folder)}]
        settings["input"]["example"] = [self.iris.rows[0]]
        # What the downward API writes from the pod's label.
        (place / "variant").write_text(pod.variant)
        settings["variantFile"] = str(place / "variant")
        return settings


@contextmanager
def running_system(
    folder: Path, models: Sequence[str], pods: Sequence[Pod], *, scrape_seconds: float,
    disk_budget: str,
) -> Iterator[tuple[System, str]]:
    """The system, none of its pods started yet, and the address of its Prometheus.

    A pod that has written `disk_budget` of events drops further ones: nothing ships them.
    """  # fmt: skip
    system = System(folder, models, pods, disk_budget)
    rules = []
    for name, service in system.services.items():
        file = folder / f"{name}-rules.yaml"
        file.write_text(yaml.safe_dump({"groups": rule_groups(service)}))
        rules.append(str(file))
    targets = [
        {"targets": [f"127.0.0.1:{pod.port}"], "labels": {"pod": pod.name, "namespace": "models"}}
        for pod in pods
    ]
    settings = {
        "global": {
            "scrape_interval": f"{scrape_seconds:g}s",
            "scrape_timeout": f"{scrape_seconds:g}s",
            "evaluation_interval": f"{scrape_seconds:g}s",
        },
        "rule_files": rules,
        "scrape_configs": [
            {"job_name": "models", "honor_labels": True, "static_configs": targets}
        ],
    }
    with running_prometheus(folder / "prometheus", settings) as address:
        try:
            yield system, address
        finally:
            system.close()


@contextmanager
def running_prometheus(folder: Path, settings: dict[str, Any]) -> Iterator[str]:
    """A Prometheus with these settings; its address. `folder`/data may hold blocks already."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    command = [
        "setpriv", "--pdeathsig", "KILL", str(installed("prometheus")),
        f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/-/ready", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder / "data", ignore_errors=True)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no Prometheus:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)
