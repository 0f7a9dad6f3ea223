"""The Prometheus operator in a cluster, with a Prometheus 3 and an Alertmanager that it runs.

Its CRDs, its rights and its Deployment are those that its module publishes (`bundle.yaml`); only the
image and the namespace are ours.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tools.install import TOOLS, GoTool, module_folder

from tests.cluster.deployment import NAMESPACE, Deployment
from tests.cluster.program_images import write_program_image
from tests.support.tools import installed

MONITORING = "monitoring"
PROMETHEUS = f"http://prometheus-operated.{MONITORING}.svc:9090"
"""Where pods reach the Prometheus that the operator runs."""
RELEASE = {"release": "kube-prometheus-stack"}
"""What the chart kube-prometheus-stack selects by, in the labels of an environment."""
_IMAGE = "localhost/servestack/monitoring:1"
_PROGRAMS = ("prometheus-operator", "prometheus-config-reloader", "prometheus", "alertmanager")
_USER = {"runAsUser": 65534, "runAsNonRoot": True, "fsGroup": 65534}
_SMALL = {"requests": {"cpu": "10m", "memory": "60Mi"}}


@contextmanager
def running_operator(deployment: Deployment) -> Iterator[None]:
    """The operator, and the namespace that it runs in; afterwards all of it is gone again."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "monitoring.tar"
        write_program_image(
            archive, _IMAGE, {f"/bin/{name}": installed(name) for name in _PROGRAMS}
        )
        deployment.cluster.load_image(archive)
        bundle = Path(folder) / "bundle.yaml"
        bundle.write_text(_bundle())
        deployment.kubectl("create", "namespace", MONITORING)
        try:
            deployment.kubectl("apply", "--server-side", "-f", str(bundle))
            deployment.kubectl(
                "-n", MONITORING, "rollout", "status", "deployment/prometheus-operator",
                "--timeout=180s",
            )  # fmt: skip
            yield
        finally:
            deployment.delete_namespaces(MONITORING)
            deployment.kubectl("delete", "--ignore-not-found", "-f", str(bundle))


def start_prometheus(deployment: Deployment, *, evaluates: str = "30s", **more: Any) -> None:
    """Create a Prometheus that selects as kube-prometheus-stack does, with the rights that it needs.

    It evaluates rules that often; `more` are further fields of its object.
    """
    everywhere: dict[str, Any] = {}
    selector = {"matchLabels": RELEASE}
    prometheus = _body("v1", "Prometheus", {
        "version": f"v{_version('prometheus')}",
        "image": _IMAGE,
        "containers": [{"name": "prometheus", "command": ["/bin/prometheus"]}],
        "serviceAccountName": "prometheus",
        "securityContext": _USER,
        "resources": _SMALL,
        "scrapeInterval": "5s",
        "evaluationInterval": evaluates,
        "podMonitorSelector": selector,
        "podMonitorNamespaceSelector": everywhere,
        "ruleSelector": selector,
        "ruleNamespaceSelector": everywhere,
        **more,
    })  # fmt: skip
    _apply(deployment, [*_rights_of_prometheus(), prometheus])


def watch_models(deployment: Deployment, webhook: str) -> None:
    """Create what a platform and a team have: Prometheus, Alertmanager and the team's own way of
    its alerts."""
    everywhere: dict[str, Any] = {}
    alertmanager = {"namespace": MONITORING, "name": "alertmanager-operated", "port": "web"}
    start_prometheus(deployment, evaluates="1s", alerting={"alertmanagers": [alertmanager]})
    _apply(deployment, [
        _body("v1", "Alertmanager", {
            "version": f"v{_version('alertmanager')}",
            "image": _IMAGE,
            "containers": [{"name": "alertmanager", "command": ["/bin/alertmanager"]}],
            "securityContext": _USER,
            "resources": _SMALL,
            "alertmanagerConfigSelector": everywhere,
            "alertmanagerConfigNamespaceSelector": everywhere,
        }),
        _body("v1alpha1", "AlertmanagerConfig", {
            "route": {"receiver": "team", "groupWait": "1s", "groupInterval": "1s"},
            "receivers": [{"name": "team", "webhookConfigs": [{"url": webhook}]}],
        }, NAMESPACE),
    ])  # fmt: skip


def _apply(deployment: Deployment, bodies: list[Any]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(bodies, file)
        file.flush()
        deployment.kubectl("apply", "-f", file.name)


def ask(deployment: Deployment, path: str) -> Any:
    """The data of an answer of Prometheus's API, through the API server; None while it is silent."""
    pod = f"/api/v1/namespaces/{MONITORING}/pods/prometheus-main-0:9090/proxy"
    done = subprocess.run(
        [str(installed("kubectl")), "get", "--raw", f"{pod}/api/v1/{path}"],
        env=deployment.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(done.stdout)["data"] if done.returncode == 0 else None


def _body(version: str, kind: str, spec: dict[str, Any], namespace: str = MONITORING) -> Any:
    return {
        "apiVersion": f"monitoring.coreos.com/{version}",
        "kind": kind,
        "metadata": {"name": "main", "namespace": namespace},
        "spec": spec,
    }


def _version(tool: str) -> str:
    found = TOOLS[tool]
    assert isinstance(found, GoTool)
    return found.version


def _module() -> Path:
    return module_folder(
        "prometheus-operator", "github.com/prometheus-operator/prometheus-operator"
    )


def _bundle() -> str:
    """Everything that the operator's module says it needs, in our namespace and of our image."""
    documents = (_module() / "bundle.yaml").read_text().split("\n---\n")
    return "\n---\n".join(
        # Its definitions are long, and hold an `=` that YAML's Python reader does not know.
        text if "\nkind: CustomResourceDefinition\n" in text else yaml.safe_dump(_ours(text))
        for text in documents
    )


def _ours(text: str) -> Any:
    body = yaml.safe_load(text)
    _move(body)
    if body["kind"] == "Deployment":
        (container,) = body["spec"]["template"]["spec"]["containers"]
        container["image"] = _IMAGE
        container["command"] = ["/bin/prometheus-operator"]
        container["args"] = [
            f"--prometheus-config-reloader={_IMAGE}"
            if argument.startswith("--prometheus-config-reloader=")
            else argument
            for argument in container["args"]
        ]
    return body


def _rights_of_prometheus() -> list[Any]:
    folder = _module() / "example/rbac/prometheus"
    bodies = [
        body
        for file in sorted(folder.glob("prometheus-*.yaml"))
        for body in yaml.safe_load_all(file.read_text())
    ]
    for body in bodies:
        _move(body)
        if body["kind"] == "ServiceAccount":  # Upstream leaves its namespace to who applies it.
            body["metadata"]["namespace"] = MONITORING
    return bodies


def _move(body: Any) -> None:
    """From the namespace `default`, where upstream has it, to ours."""
    for place in (body["metadata"], *body.get("subjects", ())):
        if place.get("namespace") == "default":
            place["namespace"] = MONITORING
