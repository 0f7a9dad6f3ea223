"""A real MLflow tracking server as a process, which serves artifacts itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports

_READY_SECONDS = 240

UNUSED = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""What no test asks of a server. For jobs it starts eight processes more: half a minute of CPU."""


@dataclass
class MlflowServer:
    """A running server: its address, its process to kill, and how to start it there again."""

    uri: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Nobody listens at its address from now on."""
        end(self.process)

    def start(self) -> None:
        """Start it with what it had, and wait until it answers."""
        self.process = _started(self.command, self.log)
        _wait_until_ready(self.uri, self.process, self.log)


@contextmanager
def running_mlflow(folder: Path, host: str = "127.0.0.1") -> Iterator[MlflowServer]:
    """Start one with a database and artifacts in a folder; ended by its own handle."""
    (port,) = free_ports(1)
    uri = f"http://{host}:{port}"
    command = [
        # The kernel ends it when whoever started it is killed.
        "setpriv", "--pdeathsig", "KILL",
        sys.executable, "-m", "mlflow", "server", f"--host={host}", f"--port={port}", "--workers=1",
        f"--backend-store-uri=sqlite:///{folder}/mlflow.db",
        f"--artifacts-destination={folder}/artifacts", "--serve-artifacts",
    ]  # fmt: skip
    log = folder / "mlflow.log"
    server = MlflowServer(uri, command, log, _started(command, log))
    try:
        _wait_until_ready(uri, server.process, log)
        yield server
    finally:
        end(server.process)


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            command, stdout=stream, stderr=stream, env=os.environ | UNUSED, start_new_session=True
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server and the workers that it started: the group that is its own."""
    if process.poll() is None:
        os.killpg(process.pid, 15)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_until_ready(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"MLflow did not start:\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def asking(uri: str, experiment: str = "") -> Iterator[None]:
    """MLflow's client in this process with a server, and an experiment to log to, for a block.

    The client writes its server and its experiment into the environment. A test that comes later,
    and each process that it starts, would ask a server that is gone.
    """
    import mlflow

    before = where_mlflow_asks()
    address = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri(uri)
        if experiment:
            mlflow.set_experiment(experiment)
        yield
    finally:
        mlflow.set_tracking_uri(address)
        for name in where_mlflow_asks():
            del os.environ[name]
        os.environ.update(before)


def where_mlflow_asks() -> dict[str, str]:
    """The environment's server and experiment, which MLflow's client sets too."""
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID")
    return {name: os.environ[name] for name in names if name in os.environ}


def register_iris(uri: str, name: str = "iris", *, regularization: float = 1.0) -> str:
    """Train, log and register a small model; returns its version."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    data, species = load_iris(return_X_y=True, as_frame=True)
    data.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    model = LogisticRegression(C=1 / regularization, max_iter=500).fit(data, species)
    with asking(uri, "iris"), mlflow.start_run():
        info: Any = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            signature=infer_signature(data, model.predict(data)),
            input_example=data.head(1),
            # Inferring them takes MLflow longer than all the rest.
            pip_requirements=["scikit-learn"],
            registered_model_name=name,
        )
    return str(info.registered_model_version)
