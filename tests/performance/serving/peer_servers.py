"""The peers, one worker each, in the quickest configuration that we have found, and two floors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.performance.serving.contender import Contender, Order, Rows
from tests.performance.serving.process import Launch
from tests.performance.serving.venvs import HERE, peer_venv
from tests.support.ports import free_ports

Launcher = Callable[[Order], Launch]


def kserve(order: Order) -> Launch:
    return _launch("kserve", order, "/v2/health/ready", ["python", "app.py", *_file(order)])


def litserve(order: Order) -> Launch:
    return _launch("litserve", order, "/health", ["python", "app.py", *_file(order)])


def bentoml(order: Order) -> Launch:
    address = ["--host", "127.0.0.1", "--port", str(order.port)]
    command = ["bentoml", "serve", "service:Classifier", *address]
    return _launch("bentoml", order, "/readyz", command)


def fastapi(order: Order) -> Launch:
    command = ["uvicorn", "app:app", "--no-access-log", "--port", str(order.port)]
    return _launch("fastapi", order, "/ready", command)


def mlflow(order: Order) -> Launch:
    command = ["mlflow", "models", "serve", "--model-uri", str(order.model.mlflow)]
    command += ["--host", "127.0.0.1", "--port", str(order.port)]
    command += ["--env-manager", "local", "--workers", "1"]
    return _launch("mlflow", order, "/ping", command)


def mlserver(**batching: float) -> Launcher:
    def launch(order: Order) -> Launch:
        grpc, metrics = free_ports(2)
        settings = {
            "parallel_workers": 0,
            "host": "127.0.0.1",
            "http_port": order.port,
            "grpc_port": grpc,
            "metrics_port": metrics,
            "debug": False,
        }
        model = {
            "name": order.model.name,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(order.model.joblib), "version": "1"},
            **batching,
        }
        (order.folder / "settings.json").write_text(json.dumps(settings))
        (order.folder / "model-settings.json").write_text(json.dumps(model))
        command = ["mlserver", "start", str(order.folder)]
        return _launch("mlserver", order, "/v2/health/ready", command)

    return launch


def echo(order: Order) -> Launch:
    return _launch("floor", order, "/", ["python", "echo.py", str(order.port)])


def rsgi(order: Order) -> Launch:
    command = ["granian", "--interface", "rsgi", "--workers", "1", "--host", "127.0.0.1"]
    return _launch("floor", order, "/", [*command, "--port", str(order.port), "rsgi:app"])


def _file(order: Order) -> list[str]:
    return [str(order.model.joblib), order.model.name, str(order.port)]


def _launch(peer: str, order: Order, ready_path: str, command: list[str]) -> Launch:
    programs = peer_venv(peer) / "bin"
    environment = {
        # MLflow and BentoML start programs of their environment by name.
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "MODEL_FILE": str(order.model.joblib),
        "BENTOML_HOME": str(order.folder),
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    program = str(programs / command[0])
    return Launch([program, *command[1:]], _sources(peer), environment, order.port, ready_path)


def _sources(peer: str) -> Path:
    return HERE / "peers" / peer


def data(rows: Rows) -> object:
    return {"data": rows}


def instances(rows: Rows) -> object:
    return {"instances": rows}


def inputs(rows: Rows) -> object:
    return {"inputs": rows}


def tensors(rows: Rows) -> object:
    flat = [value for row in rows for value in row]
    shape = [len(rows), len(rows[0])]
    return {"inputs": [{"name": "predict", "shape": shape, "datatype": "FP64", "data": flat}]}


def predictions(answer: Any) -> list[int]:
    return [int(value) for value in answer["predictions"]]


def classes(answer: Any) -> list[int]:
    return [int(value) for value in answer["classes"]]


def plain(answer: Any) -> list[int]:
    return [int(value) for value in answer]


def outputs(answer: Any) -> list[int]:
    return plain(answer["outputs"][0]["data"])


V2_PATH = "/v2/models/{model}/infer"
BATCHED = mlserver(max_batch_size=16, max_batch_time=0.002)
PEERS = {
    "kserve": Contender(
        "KServe SDK 0.21", "peer", kserve, "/v1/models/{model}:predict", instances, predictions
    ),
    "mlserver": Contender("MLServer 1.7.1", "peer", mlserver(), V2_PATH, tensors, outputs),
    "mlserver-batching": Contender(
        "MLServer 1.7.1, batching", "peer", BATCHED, V2_PATH, tensors, outputs
    ),
    "mlflow": Contender(
        "mlflow models serve 3.17.2", "peer", mlflow, "/invocations", inputs, predictions
    ),
    "litserve": Contender("LitServe 0.2.19", "peer", litserve, "/predict", data, classes),
    "bentoml": Contender("BentoML 1.4.39, batching", "peer", bentoml, "/predict", data, plain),
    "fastapi": Contender("FastAPI, async", "peer", fastapi, "/predict", data, classes),
    "fastapi-threads": Contender(
        "FastAPI, threads", "peer", fastapi, "/predict-in-thread", data, classes
    ),
}
FLOORS = (
    Contender("echo: uvloop, httptools", "floor", echo, "/predict", data, None),
    Contender("echo: granian RSGI", "floor", rsgi, "/predict", data, None),
)
