"""The peers of the render benchmark: how each is installed, and given the same objects."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tools.install import CACHE, TOOLS, GoTool, install

from servestack.yaml_writer import dump

Objects = list[dict[str, Any]]
Command = tuple[list[str], Path]


class NotInstallableError(Exception):
    """A peer cannot be had on this machine, and why."""


@dataclass(frozen=True)
class Peer:
    """`prepare` writes its input for so many models, and returns the command and its folder."""

    name: str
    prepare: Callable[[Path, Objects, int], Command]
    most_models: int


def renamed(objects: Objects, name: str) -> Objects:
    """The objects under another model's name."""
    text = json.dumps(objects).replace("model-0000", name)
    renamed_objects: Objects = json.loads(text)
    return renamed_objects


def kustomize(folder: Path, objects: Objects, count: int) -> Command:
    """A base and an overlay a model, built by one `kubectl kustomize`."""
    kubectl = Path(sys.executable).with_name("kubectl")
    if not kubectl.exists():
        raise NotInstallableError("kubectl is not installed")
    resources = []
    for number in range(count):
        name = f"model-{number:04d}"
        base, overlay = folder / name / "base", folder / name / "overlay"
        base.mkdir(parents=True)
        overlay.mkdir()
        (base / "all.yaml").write_text("---\n".join(dump(body) for body in renamed(objects, name)))
        (base / "kustomization.yaml").write_text("resources: [all.yaml]\n")
        patch = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "namespace": "models"},
            "spec": {"maxReplicas": 9},
        }
        (overlay / "patch.yaml").write_text(dump(patch))
        (overlay / "kustomization.yaml").write_text(
            "resources: [../base]\npatches: [{path: patch.yaml}]\n"
        )
        resources.append(f"{name}/overlay")
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": resources}))
    return [str(kubectl), "kustomize", str(folder)], folder


def helm(folder: Path, objects: Objects, count: int) -> Command:
    """One chart that ranges over the models in its values."""
    TOOLS.setdefault("helm", GoTool("helm", "helm", "helm.sh/helm/v3/cmd/helm"))
    try:
        program = install("helm")
    except SystemExit as error:
        raise NotInstallableError(str(error)) from None
    templates = folder / "templates"
    templates.mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: models\nversion: 0.1.0\n")
    names = [f"model-{number:04d}" for number in range(count)]
    (folder / "values.yaml").write_text(yaml.safe_dump({"models": names, "maxReplicas": 9}))
    for body in objects:
        text = dump(templated(body)).replace("MODEL-NAME", "{{ $name }}")
        text = text.replace("MAX-REPLICAS", "{{ $.Values.maxReplicas }}")
        file = f"{body['kind']}-{body['metadata']['name']}.yaml".lower()
        (templates / file).write_text(
            f"{{{{- range $name := .Values.models }}}}\n---\n{text}{{{{- end }}}}\n"
        )
    return [str(program), "template", "models", str(folder)], folder


def templated(body: dict[str, Any]) -> dict[str, Any]:
    """An object with marks for a chart's values; braces of its own escaped."""

    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {marked(key): marked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [marked(inner) for inner in value]
        if isinstance(value, str):
            escaped = value.replace("{{", "{{ `{{` }}") if "{{" in value else value
            return escaped.replace("model-0000", "MODEL-NAME")
        return value

    result: dict[str, Any] = marked(deepcopy(body))
    if result["kind"] == "HorizontalPodAutoscaler":
        result["spec"]["maxReplicas"] = "MAX-REPLICAS"
    return result


CDK8S_PROGRAM = """
import json, sys
from cdk8s import ApiObject, App, Chart, JsonPatch
import cdk8s_plus_32 as kplus

app = App(outdir=sys.argv[2])
objects = json.load(open(sys.argv[1]))
for number in range(int(sys.argv[3])):
    name = f"model-{number:04d}"
    chart = Chart(app, name)
    deployment = kplus.Deployment(
        chart, "deployment", metadata={"name": name},
        containers=[{"image": "registry.example.com/serving:1", "portNumber": 8080,
                     "envVariables": {"A": kplus.EnvValue.from_value("b")}}],
    )
    deployment.expose_via_service(name=name, ports=[{"port": 80, "targetPort": 8080}])
    kplus.ServiceAccount(chart, "account", metadata={"name": name})
    kplus.HorizontalPodAutoscaler(
        chart, "scaler", target=deployment, min_replicas=2, max_replicas=9,
        metrics=[kplus.Metric.resource_cpu(kplus.MetricTarget.average_utilization(50))],
    )
    for index, body in enumerate(json.loads(json.dumps(objects).replace("model-0000", name))):
        if body["kind"] in ("Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler"):
            continue
        made = ApiObject(chart, f"object-{index}", api_version=body["apiVersion"], kind=body["kind"],
                         metadata={"name": body["metadata"]["name"], "namespace": "models"})
        for key, value in body.items():
            if key not in ("apiVersion", "kind", "metadata"):
                made.add_json_patch(JsonPatch.add(f"/{key}", value))
app.synth()
"""


def cdk8s(folder: Path, objects: Objects, count: int) -> Command:
    """The workload through cdk8s-plus' constructs, the rest as API objects."""
    if shutil.which("node") is None:
        raise NotInstallableError("node is not installed")
    environment = CACHE.parent / "bench/cdk8s"
    python = environment / "bin/python"
    if not (environment / ".installed").exists():
        try:
            subprocess.run(
                [sys.executable, "-m", "venv", environment], check=True, capture_output=True
            )
            subprocess.run(
                [python, "-m", "pip", "install", "-q", "cdk8s", "cdk8s-plus-32"],
                check=True, capture_output=True, timeout=600, env=os.environ,
            )  # fmt: skip
        except (subprocess.SubprocessError, OSError):
            raise NotInstallableError("cdk8s-plus-32 cannot be installed") from None
        (environment / ".installed").touch()
    folder.mkdir(parents=True)
    (folder / "program.py").write_text(CDK8S_PROGRAM)
    (folder / "objects.json").write_text(json.dumps(objects))
    return [str(python), "program.py", "objects.json", str(folder / "out"), str(count)], folder


PEERS = (
    Peer("kubectl kustomize", kustomize, most_models=1000),
    Peer("helm template", helm, most_models=1000),
    Peer("cdk8s-plus", cdk8s, most_models=100),
)
