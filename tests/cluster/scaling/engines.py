"""prometheus-adapter and KEDA in a cluster, side by side: each serves its own metrics API.

Their rights, Deployments and CRDs are those that their modules publish; only the image, its
programs' paths and the address of Prometheus are ours, and the adapter's settings are those that
ship in monitoring/adapter.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tools.install import module_folder

from tests.cluster.deployment import Deployment
from tests.cluster.program_images import write_program_image
from tests.cluster.prometheus_operator import MONITORING, PROMETHEUS
from tests.support.projects import REPOSITORY
from tests.support.tools import installed

_IMAGE = "localhost/servestack/scaling:1"
_PROGRAMS = ("prometheus-adapter", "keda", "keda-adapter")
_KEDA = "keda"
_ADAPTER_APIS = ("v1beta1", "v1beta2")
_RIGHTS = "custom-metrics-server-resources"
"""The role that upstream's binding for the autoscaler names, and which upstream leaves to its reader."""


@contextmanager
def running_engines(deployment: Deployment) -> Iterator[None]:
    """Both engines, serving their APIs; afterwards all of it is gone again.

    The namespace of monitoring is there already, with the Prometheus that both ask.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "scaling.tar"
        write_program_image(archive, _IMAGE, {f"/{name}": installed(name) for name in _PROGRAMS})
        deployment.cluster.load_image(archive)
        files = {"adapter": _adapter(), "keda": _keda()}
        for name, text in files.items():
            (Path(folder) / f"{name}.yaml").write_text(text)
        try:
            for name in files:
                deployment.kubectl("apply", "--server-side", "-f", f"{folder}/{name}.yaml")
            _wait_until_served(deployment)
            yield
        finally:
            for name in files:
                file = f"{folder}/{name}.yaml"
                deployment.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", file)


def _wait_until_served(deployment: Deployment) -> None:
    for namespace, name in (
        (MONITORING, "prometheus-adapter"), (_KEDA, "keda-operator"), (_KEDA, "keda-metrics-apiserver"),
    ):  # fmt: skip
        deployment.kubectl(
            "-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=240s"
        )
    services = [f"{version}.custom.metrics.k8s.io" for version in _ADAPTER_APIS]
    for service in (*services, "v1beta1.external.metrics.k8s.io"):
        deployment.kubectl(
            "wait", "--for=condition=Available", f"apiservice/{service}", "--timeout=120s"
        )


def _adapter() -> str:
    """The adapter's manifests, for the API that scales instead of the one that metrics-server has."""
    folder = module_folder("prometheus-adapter", "sigs.k8s.io/prometheus-adapter")
    bodies = [
        body
        for file in sorted((folder / "deploy/manifests").glob("*.yaml"))
        for body in yaml.safe_load_all(file.read_text())
    ]
    return yaml.safe_dump_all([*_of_adapter(bodies), _rights_of_autoscalers()])


def _of_adapter(bodies: list[Any]) -> Iterator[Any]:
    for body in bodies:
        match body["kind"]:
            case "PodDisruptionBudget":  # Of the second pod, which a small cluster has no room for.
                continue
            case "Deployment":
                yield _adapter_deployment(body)
            case "ConfigMap":
                shipped = (REPOSITORY / "monitoring/adapter/config.yaml").read_text()
                yield body | {"data": {"config.yaml": shipped}}
            case "APIService":
                yield from (_api_service(body, version) for version in _ADAPTER_APIS)
            case _:
                yield body


def _adapter_deployment(body: Any) -> Any:
    body["spec"]["replicas"] = 1
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["image"] = _IMAGE
    container["command"] = ["/prometheus-adapter"]
    values = yaml.safe_load((REPOSITORY / "monitoring/adapter/values.yaml").read_text())
    ours = {
        "--prometheus-url": PROMETHEUS,
        "--metrics-relist-interval": values["metricsRelistInterval"],
    }
    container["args"] = [
        f"{name}={ours.get(name, value)}"
        for name, _, value in (argument.partition("=") for argument in container["args"])
    ]
    return body


def _api_service(body: Any, version: str) -> Any:
    group = "custom.metrics.k8s.io"
    metadata = body["metadata"] | {"name": f"{version}.{group}"}
    return body | {
        "metadata": metadata,
        "spec": body["spec"] | {"group": group, "version": version},
    }


def _rights_of_autoscalers() -> Any:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _RIGHTS},
        "rules": [{"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["*"]}],
    }


def _keda() -> str:
    """KEDA's operator and its metrics API, as its own kustomization makes them."""
    folder = module_folder("keda", "github.com/kedacore/keda/v2")
    made = subprocess.run(
        [installed("kubectl"), "kustomize", folder / "config/minimal"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    # Its definitions are most of the text: Python's YAML takes seconds for what stays as it is.
    return "\n---\n".join(
        yaml.safe_dump(_of_keda(yaml.safe_load(text))) if "\nkind: Deployment\n" in text else text
        for text in made.stdout.split("\n---\n")
    )


def _of_keda(body: Any) -> Any:
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["image"] = _IMAGE
    container["imagePullPolicy"] = "IfNotPresent"  # No registry has it.
    return body
