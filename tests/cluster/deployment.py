"""A project on a cluster, driven as its owner does: commands in a shell, requests from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from tools.cluster.ready import find_kubectl

from servestack.yaml_writer import dump
from tests.cluster.clusters import TestCluster
from tests.support.kafka import USERNAME, KafkaCluster
from tests.support.kubernetes_client import KubernetesClient

ENVIRONMENT = "test"
NAMESPACE = "models-test"
HOST = "iris.models.localhost"
ROW = [[5.1, 3.5, 1.4, 0.2]]


def make_project(root: Path, cluster: TestCluster, mlflow_uri: str, kafka: KafkaCluster) -> None:
    """One model, one environment, in git, with version 1 called `production`."""
    import mlflow

    mlflow.MlflowClient(mlflow_uri).set_registered_model_alias("iris", "production", "1")
    spec = {
        "apiVersion": "servestack/v1",
        "kind": "ModelService",
        "name": "iris",
        "artifact": "models:/iris@production",
        "api": {"input": {"example": ROW}},
        "resources": {"cpu": "100m", "memory": "400Mi", "limits": {"cpu": "1"}},
        "autoscaling": {"min": 1, "max": 3, "cpuPercent": 50},
        "startup": {"timeoutSeconds": 40},
        "rollout": {"minReadySeconds": 1, "progressDeadlineSeconds": 45},
        "shutdown": {"drainSeconds": 5},
    }
    environment = {
        "apiVersion": "servestack/v1",
        "kind": "Environment",
        "name": ENVIRONMENT,
        "namespace": NAMESPACE,
        "cluster": {"context": cluster.context, "kubeconfig": str(cluster.kubeconfig)},
        "images": {
            "server": {"repository": "localhost/servestack/serving", "tag": "0.1.0"},
            "filebeat": {"repository": "localhost/servestack/filebeat", "tag": "7.17.29"},
        },
        "ingress": {
            "kind": "ingress",
            "className": "traefik",
            "hostSuffix": "models.localhost",
            "namespace": "traefik",
        },
        "kafka": {
            "brokers": [kafka.address],
            "security": {
                "protocol": "SASL_SSL",
                "credentials": {"secret": "kafka-credentials"},
                "ca": {"secret": "kafka-ca", "key": "ca.crt"},
            },
        },
        "prometheus": {"style": "annotations"},
        "mlflow": {"trackingUri": mlflow_uri},
    }
    files = {
        "models/iris.yaml": dump(spec),
        f"stacks/{ENVIRONMENT}.yaml": dump(environment),
        "Pulumi.yaml": "name: servestack\nruntime: python\nmain: stacks/\n",
        ".gitignore": "state\npulumi\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "iris")


def git(root: Path, *arguments: str) -> None:
    author = ["-c", "user.name=owner", "-c", "user.email=owner@example.com"]
    subprocess.run(["git", *author, *arguments], cwd=root, check=True, capture_output=True)


@dataclass(frozen=True)
class Deployment:
    """The project, its cluster, and the ways to both.

    `answered` holds the ids of all requests that were answered 200.
    """

    root: Path
    cluster: TestCluster
    mlflow_uri: str
    client: KubernetesClient
    environment: dict[str, str]
    kafka: KafkaCluster
    answered: set[str] = field(default_factory=set)

    def servestack(self, *arguments: str, fails: bool = False) -> str:
        """Run a verb; what it said on both streams."""
        command = [str(Path(sys.executable).with_name("servestack")), *arguments]
        return self._run(command, fails=fails)

    def kubectl(self, *arguments: str, fails: bool = False) -> str:
        """Run kubectl on the cluster."""
        return self._run([find_kubectl(), *arguments], fails=fails)

    def _run(self, command: list[str], *, fails: bool) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=400,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout[-4000:]
        assert "Traceback" not in done.stdout, done.stdout[-4000:]
        return done.stdout

    def hand_over_secrets(self, namespace: str = NAMESPACE) -> None:
        """What a platform has before a model comes: the namespace, with Kafka's keys in it."""
        self.kubectl("create", "namespace", namespace)
        secret = ("-n", namespace, "create", "secret", "generic")
        self.kubectl(*secret, "kafka-ca", f"--from-file=ca.crt={self.kafka.ca}")
        self.kubectl(
            *secret, "kafka-credentials",
            f"--from-literal=username={USERNAME}", f"--from-literal=password={self.kafka.password}",
        )  # fmt: skip

    def delete_namespaces(self, *names: str) -> None:
        """Delete namespaces that nothing is asked about any more: their pods get no time to drain."""
        self.kubectl("delete", "namespace", *names, "--ignore-not-found", "--wait=false")
        for name in names:
            now = ("--all", "--grace-period=1", "--wait=false")
            self.kubectl("-n", name, "delete", "pods", *now)
        self.kubectl("delete", "namespace", *names, "--ignore-not-found")

    def move_alias(self, version: str) -> None:
        """Call another version `production`, and lock it."""
        import mlflow

        client = mlflow.MlflowClient(self.mlflow_uri)
        client.set_registered_model_alias("iris", "production", version)
        self.servestack("lock", ENVIRONMENT)

    def commit(self, message: str) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "--allow-empty", "-qm", message)

    def predict(self, session: requests.Session | None = None) -> dict[str, Any]:
        """One request through the ingress; the answer's body."""
        answer = self.post("/v1/iris/predict", ROW, session)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def post(
        self, path: str, body: Any, session: requests.Session | None = None, host: str = HOST
    ) -> requests.Response:
        answer = (session or requests).post(
            self.cluster.ingress + path, json=body, headers={"Host": host}, timeout=30
        )
        if answer.status_code == 200:
            self.answered.add(answer.headers["X-Request-Id"])
        return answer

    def get(self, path: str) -> requests.Response:
        return requests.get(self.cluster.ingress + path, headers={"Host": HOST}, timeout=30)

    def without_event(self) -> set[str]:
        """The ids that were answered and of which Kafka has no event."""
        messages = self.kafka.read("servestack.iris.predictions")
        return self.answered - {key for key, _ in messages}

    def pods(self) -> list[dict[str, Any]]:
        """The model's pods, those on their way out included: they still answer."""
        return self.client.list_objects("v1", "Pod", NAMESPACE, {"app.kubernetes.io/name": "iris"})

    def wait(self, what: str, is_so: Callable[[], Any], seconds: float = 120) -> Any:
        """Ask until the answer is true; returns it. AssertionError with what there is otherwise."""
        deadline = time.monotonic() + seconds
        while not (answer := is_so()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:.0f} s\n{self._seen()}")
            time.sleep(0.5)
        return answer

    def _seen(self) -> str:
        """Nodes, the namespace, its pods and the last events, for whoever reads the failure."""
        events = self.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp").splitlines()
        return "\n".join(
            [
                self.kubectl("get", "nodes,pods", "-A", "-o", "wide"),
                self.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "yaml"),
                self.kubectl("-n", NAMESPACE, "get", "pods", "-o", "yaml")[:20_000],
                *events[-40:],
            ]
        )
