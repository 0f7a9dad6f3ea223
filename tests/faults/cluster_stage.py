"""A model with two pods on a whole cluster, for faults that only a cluster has."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cluster.ready import find_kubectl

from tests.cluster.clusters import NoClusterError, TestCluster, running_cluster
from tests.cluster.deployment import ENVIRONMENT, HOST, NAMESPACE, Deployment, make_project
from tests.faults.traffic import Traffic
from tests.support.kafka import KafkaCluster, running_kafka
from tests.support.kubernetes_client import KubernetesClient
from tests.support.mlflow_server import MlflowServer, register_iris, running_mlflow
from tests.support.projects import set_in_yaml

TOPIC = "servestack.iris.predictions"
RATE = 20.0
"""Requests a second, through the ingress, to all pods together."""
_RETRIES = 5
_SCALING = {
    "min": 2, "max": 4, "cpuPercent": 80,
    # A fault that adds a pod ends when it is gone again, which by default takes five minutes.
    "scaleDown": {"stabilizationSeconds": 0},
}  # fmt: skip
_SHOW_METRICS = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
)


@dataclass
class Stage:
    """A deployment whose pods serve, and what its faults take away."""

    deployment: Deployment
    registry: MlflowServer

    @property
    def kafka(self) -> KafkaCluster:
        return self.deployment.kafka

    def kubectl(self, *arguments: str, fails: bool = False) -> str:
        """kubectl in the model's namespace."""
        return self.deployment.kubectl("-n", NAMESPACE, *arguments, fails=fails)

    def traffic(self) -> Traffic:
        """Callers who ask again, as callers of a service with several pods do."""
        return Traffic(
            f"{self.deployment.cluster.ingress}/v1/iris/predict", b"[[5.1,3.5,1.4,0.2]]",
            rate=RATE, headers={"Host": HOST}, retries=_RETRIES,
        )  # fmt: skip

    def pods(self) -> list[dict[str, Any]]:
        """The pods that are not on their way out."""
        return [
            pod
            for pod in self.deployment.pods()
            if "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("phase") in ("Pending", "Running")
        ]

    def names(self, *, ready: bool = True) -> set[str]:
        """The names of the pods that are not on their way out; with `ready` of those that serve."""
        return {
            pod["metadata"]["name"]
            for pod in self.pods()
            if not ready or condition(pod, "Ready") == "True"
        }

    def in_server(self, pod: str, code: str) -> None:
        """Run Python in the server's container, which may be killed with all that runs in it."""
        command = [
            find_kubectl(),
            "-n",
            NAMESPACE,
            "exec",
            pod,
            "-c",
            "server",
            "--",
            "python3",
            "-c",
        ]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [*command, code], env=self.deployment.environment, check=False,
                capture_output=True, timeout=30,
            )  # fmt: skip

    def dropped(self) -> int:
        """What the metric of the pods that are there has counted as dropped."""
        total = 0.0
        for name in sorted(self.names()):
            text = self.kubectl("exec", name, "-c", "server", "--", "python3", "-c", _SHOW_METRICS)
            total += sum(
                float(line.rpartition(" ")[2])
                for line in text.splitlines()
                if line.startswith("servestack_events_dropped_total")
            )
        return int(total)

    def wait(self, what: str, is_so: Any, seconds: float = 180.0) -> Any:
        return self.deployment.wait(what, is_so, seconds)


def condition(pod: dict[str, Any], kind: str) -> str:
    """The status of a pod's condition: True, False or Unknown."""
    conditions = pod["status"].get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == kind), "Unknown")


@contextmanager
def set_up(
    root: Path, cluster: TestCluster, registry: MlflowServer, kafka: KafkaCluster
) -> Iterator[Stage]:
    """Two pods of iris that answer through the ingress; the namespace is deleted afterwards."""
    make_project(root, cluster, registry.uri, kafka)
    set_in_yaml(root / "models/iris.yaml", autoscaling=_SCALING)
    set_in_yaml(root / "models/iris.yaml", shutdown={"drainSeconds": 5, "logDrainSeconds": 30})
    client = KubernetesClient.from_kubeconfig(cluster.kubeconfig, cluster.context)
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    deployment = Deployment(root, cluster, registry.uri, client, environment, kafka)
    stage = Stage(deployment, registry)
    deployment.servestack("lock", ENVIRONMENT)
    deployment.servestack("render", ENVIRONMENT)
    deployment.hand_over_secrets()
    try:
        deployment.kubectl("apply", "--server-side", "-R", "-f", f"rendered/{ENVIRONMENT}")
        stage.wait("two pods", lambda: len(stage.names()) == 2)
        stage.wait("the ingress", lambda: _answers(deployment))
        yield stage
    finally:
        deployment.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        gone = ("get", "namespace", NAMESPACE, "--ignore-not-found")
        deployment.wait("no namespace", lambda: deployment.kubectl(*gone) == "", 300)


@contextmanager
def own_stage(folder: Path) -> Iterator[Stage]:
    """The same on a cluster of kind that is made for it, with an MLflow and a broker of its own.

    Raises NoClusterError where there can be none.
    """
    from tools.images.build import build, obstacle
    from tools.images.catalogue import filebeat, serving

    reason = obstacle()
    if reason is not None:
        raise NoClusterError(reason)
    for name in ("cluster", "mlflow", "kafka", "project"):
        (folder / name).mkdir()
    archives = [build(serving()), build(filebeat())]
    with running_cluster("kind", folder / "cluster") as cluster:
        for archive in archives:
            cluster.load_image(archive)
        with (
            running_mlflow(folder / "mlflow", cluster.host) as registry,
            running_kafka(folder / "kafka", cluster.host) as kafka,
        ):
            register_iris(registry.uri)
            kafka.create_topics("iris")
            with set_up(folder / "project", cluster, registry, kafka) as stage:
                yield stage


def _answers(deployment: Deployment) -> bool:
    """Ten times in a row: the ingress learns of the pods one after the other."""
    for _ in range(10):
        if deployment.post("/v1/iris/predict", [[5.1, 3.5, 1.4, 0.2]]).status_code != 200:
            return False
        time.sleep(0.05)
    return True
