"""Argo Rollouts for a cluster: its definitions there, its controller as a process of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from tools.install import module_folder

from tests.cluster.deployment import Deployment
from tests.support.ports import free_ports
from tests.support.tools import installed

_MODULE = "github.com/argoproj/argo-rollouts"
_NAMESPACE = "argo-rollouts"


@contextmanager
def running_engine(deployment: Deployment, folder: Path) -> Iterator[None]:
    """The controller, until the block ends; its definitions go with their objects then."""
    definitions = module_folder("argo-rollouts", _MODULE) / "manifests/crds"
    files = [f"--filename={file}" for file in sorted(definitions.glob("*-crd.yaml"))]
    deployment.kubectl("apply", "--server-side", *files)
    deployment.kubectl("create", "namespace", _NAMESPACE)
    metrics, health = free_ports(2)
    command = [
        "setpriv", "--pdeathsig", "KILL", str(installed("rollouts-controller")),
        f"--kubeconfig={deployment.cluster.kubeconfig}", f"--namespace={_NAMESPACE}",
        f"--metricsPort={metrics}", f"--healthzPort={health}", "--leader-elect=false",
    ]  # fmt: skip
    with (folder / "rollouts-controller.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deployment.wait("the rollouts controller", lambda: _answers(health), 60)
        yield
    finally:
        process.terminate()
        process.wait(30)
        deployment.delete_namespaces(_NAMESPACE)
        deployment.kubectl("delete", "--ignore-not-found", *files)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    except requests.RequestException:
        return False
