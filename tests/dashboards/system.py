"""Model servers, what is rendered for them, and a Prometheus that scrapes them: all real.

Each server is a pod of a model: its settings are those that are rendered, but for folders and ports.
Prometheus has the rendered rules, and gives each target the label `pod`, as the operator does.
"""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from serving_image.tests.support.iris import COLUMNS, Iris, train_iris
from serving_image.tests.support.server import (
    READY_SECONDS,
    free_port,
    running_server,
)

from servestack import profile
from servestack.manifests.dashboards import dashboard_text, fleet_text
from servestack.manifests.rules import rule_groups
from servestack.manifests.server_settings import server_settings
from servestack.resolve.resolved import ResolvedService
from servestack_contract.settings import to_plain
from tests.support.hurried import hurried
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


_DRIFT_FACTOR = 360


@dataclass(frozen=True)
class Pod:
    """A server of a model: the version that it serves, and the side of a rollout that it is on."""

    name: str
    model: str
    version: str
    port: int
    variant: str = "stable"


def _groups(service: ResolvedService) -> list[dict[str, Any]]:
    """The rendered groups of rules; to those of drift an hour is ten seconds: a test has no day."""
    groups = rule_groups(service)
    return [hurried(g, _DRIFT_FACTOR) if g["name"].endswith("-drift") else g for g in groups]


class System:
    """Models of one environment, whose pods are started, admitted and stopped by name."""

    def __init__(
        self, folder: Path, models: Sequence[str], pods: Sequence[Pod], disk_budget: str,
        scrape_seconds: float,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.pods = {pod.name: pod for pod in pods}
        self.services = {
            name: resolved(
                folder / "projects" / name,
                merged(
                    SPEC,
                    {"name": name, "logging": {"diskBudget": disk_budget, "maxEvent": "128Ki"}},
                ),
                ENVIRONMENT,
            )
            for name in models
        }
        self.iris: Iris = train_iris(folder / "model")
        profile(self.iris.rows, self.iris.classes).save(self.iris.folder)
        rules = []
        for name, service in self.services.items():
            rules.append(folder / f"{name}-rules.yaml")
            rules[-1].write_text(yaml.safe_dump({"groups": _groups(service)}))
        self.prometheus = PrometheusProcess(folder / "prometheus", rules, scrape_seconds)
        self.admitted: list[Pod] = []
        """The pods that callers and Prometheus know."""
        self._running: dict[str, ExitStack] = {}

    def start(self, *names: str) -> None:
        """Start pods at the same time, and wait until they are ready. Nobody knows them yet."""
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(self._start, names):
                pass

    def _start(self, name: str) -> None:
        pod = self.pods[name]
        place = self.folder / "pods" / name
        stack = ExitStack()
        config = self._settings(self.services[pod.model], place, pod)
        stack.enter_context(
            running_server(config, place, versions={pod.model: pod.version}, port=pod.port)
        )
        self._running[name] = stack

    def admit(self, *names: str) -> None:
        """Let callers and Prometheus know of pods, as Kubernetes does once they are ready."""
        self.admitted = [*self.admitted, *(self.pods[name] for name in names)]
        self.prometheus.scrape(self.admitted)

    def stop(self, name: str) -> None:
        """Stop a pod as a rollout does."""
        self.admitted = [pod for pod in self.admitted if pod.name != name]
        self.prometheus.scrape(self.admitted)
        self._running.pop(name).close()

    def close(self) -> None:
        for stack in self._running.values():
            stack.close()

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
    folder: Path,
    models: Sequence[str],
    pods: Sequence[Pod],
    *,
    scrape_seconds: float,
    disk_budget: str,
) -> Iterator[System]:
    """The system, none of its pods started yet.

    A pod that has written `disk_budget` of events drops further ones: nothing ships them.
    """  # fmt: skip
    system = System(folder, models, pods, disk_budget, scrape_seconds)
    try:
        with system.prometheus.running():
            yield system
    finally:
        system.close()


class PrometheusProcess:
    """A Prometheus on a port of its own; `folder`/data may hold blocks already."""

    def __init__(
        self, folder: Path, rules: Sequence[Path] = (), scrape_seconds: float = 15.0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._settings: dict[str, Any] = {
            "global": dict.fromkeys(
                ("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{scrape_seconds:g}s"
            ),
            "rule_files": [*map(str, rules)],
        }
        self._write([])

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [
            "setpriv", "--pdeathsig", "KILL", str(installed("prometheus")),
            f"--config.file={self._file}", f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address={self.address.removeprefix('http://')}", "--web.enable-lifecycle",
        ]  # fmt: skip
        log = self._folder / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            self._wait_until_ready(process, log)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def scrape(self, pods: Sequence[Pod]) -> None:
        """Scrape these pods from now on, and no others."""
        self._write(pods)
        request = urllib.request.Request(f"{self.address}/-/reload", method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass

    @property
    def _file(self) -> Path:
        return self._folder / "prometheus.yml"

    def _write(self, pods: Sequence[Pod]) -> None:
        targets = [
            {
                "targets": [f"127.0.0.1:{pod.port}"],
                "labels": {"pod": pod.name, "namespace": "models"},
            }
            for pod in pods
        ]
        job = {"job_name": "models", "honor_labels": True, "static_configs": targets}
        self._file.write_text(yaml.safe_dump(self._settings | {"scrape_configs": [job]}))

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/-/ready", timeout=5):
                    return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no Prometheus:\n{log.read_text()[-2000:]}") from None
                time.sleep(0.1)
