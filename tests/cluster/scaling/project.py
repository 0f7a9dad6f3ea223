"""One model in two environments, of which one scales by prometheus-adapter and the other by KEDA."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servestack.yaml_writer import dump
from tests.cluster.clusters import TestCluster
from tests.cluster.deployment import ENVIRONMENT, ROW, Deployment, make_project
from tests.cluster.prometheus_operator import MONITORING, PROMETHEUS, RELEASE
from tests.support.kafka import KafkaCluster
from tests.support.kubernetes_client import KubernetesClient
from tests.support.mlflow_server import MlflowServer, asking
from tests.support.projects import set_in_yaml

MODEL = "iris"
IN_FLIGHT_PER_POD = 4
MOST_PODS = 8
"""Twice what the step asks for: a bound must not hide an overshoot."""
CALL_SECONDS = 0.3
"""How long the model's owner waits in each call, which may have many requests."""
_CODE = f"""
import time

class Waiting:
    '''Waits for another service, as many a model does: that takes time, and no CPU.'''

    def predict(self, inputs, model):
        time.sleep({CALL_SECONDS})
        return model.predict(inputs)
"""


@dataclass(frozen=True)
class Engine:
    """Who tells the autoscaler, and the environment of the models that it scales."""

    name: str
    metrics: dict[str, Any]
    autoscaler: str
    """Name of the HorizontalPodAutoscaler."""

    @property
    def namespace(self) -> str:
        return f"models-{self.name}"

    @property
    def host(self) -> str:
        return f"{MODEL}.{self.name}.localhost"


ENGINES = (
    Engine("adapter", {"customMetrics": "prometheus-adapter"}, MODEL),
    Engine(
        "keda",
        {"customMetrics": "keda", "keda": {"serverAddress": PROMETHEUS}},
        f"keda-hpa-{MODEL}",
    ),
)


def register_waiting(uri: str, folder: Path) -> None:
    """Log and register a model whose owner's class waits."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    code = folder / "waiting.py"
    code.write_text(_CODE)
    data, species = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=500).fit(data, species)
    with asking(uri, MODEL), mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name=MODEL, serialization_format="skops",
            signature=infer_signature(data, species), input_example=data.head(1),
            pip_requirements=["scikit-learn"], code_paths=[str(code)],
            metadata={"servestack": {"class": "waiting:Waiting"}},
        )  # fmt: skip


def make_scaling_project(
    root: Path, cluster: TestCluster, registry: MlflowServer, kafka: KafkaCluster
) -> Deployment:
    """The project, with what each environment renders below `rendered`."""
    make_project(root, cluster, registry.uri, kafka)
    set_in_yaml(
        root / f"models/{MODEL}.yaml",
        trust={"code": True},
        autoscaling={
            "min": 1, "max": MOST_PODS, "inFlightPerPod": IN_FLIGHT_PER_POD, "cpuPercent": None,
        },
        resources={"cpu": "50m", "memory": "200Mi", "limits": {"cpu": "1", "memory": "400Mi"}},
    )  # fmt: skip
    first = root / f"stacks/{ENVIRONMENT}.yaml"
    written = yaml.safe_load(first.read_text())
    first.unlink()
    for engine in ENGINES:
        (root / f"stacks/{engine.name}.yaml").write_text(
            dump(written | _environment(engine, written))
        )
    client = KubernetesClient.from_kubeconfig(cluster.kubeconfig, cluster.context)
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    deployment = Deployment(root, cluster, registry.uri, client, environment, kafka)
    for engine in ENGINES:
        deployment.servestack("lock", engine.name)
        deployment.servestack("render", engine.name)
    return deployment


def _environment(engine: Engine, written: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": engine.name,
        "namespace": engine.namespace,
        "ingress": written["ingress"] | {"hostSuffix": f"{engine.name}.localhost"},
        "prometheus": {"style": "operator", "labels": RELEASE, "namespace": MONITORING},
        "metrics": engine.metrics,
    }


@contextmanager
def applied(deployment: Deployment) -> Iterator[None]:
    """Both environments on the cluster, each with one pod that answers; deleted afterwards."""
    try:
        for engine in ENGINES:
            deployment.hand_over_secrets(engine.namespace)
            deployment.kubectl(
                "apply", "--server-side", "--force-conflicts", "-R", "-f", f"rendered/{engine.name}"
            )
        for engine in ENGINES:
            deployment.wait(f"{engine.name} answers", lambda: _answers(deployment, engine), 180)  # noqa: B023
        yield
    finally:
        # KEDA's finalizer waits for KEDA, so before it goes.
        deployment.delete_namespaces(*(engine.namespace for engine in ENGINES))


def _answers(deployment: Deployment, engine: Engine) -> bool:
    """Some times in a row: the ingress learns of a pod a moment after it is ready."""
    for _ in range(5):
        if deployment.post(f"/v1/{MODEL}/predict", ROW, host=engine.host).status_code != 200:
            return False
        time.sleep(0.05)
    return True
