"""The product's own program on Pulumi's engine, against a real Kubernetes API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servestack.apply.engine import Engine
from servestack.errors import ServestackError
from servestack.project import build_environment
from servestack.review.diff import compare_data
from tests.engine.projects import edit, on_apiserver, refresh, servestack
from tests.support.apiserver import ApiServer


@pytest.fixture
def on_cluster(project: Path, apiserver: ApiServer) -> Iterator[Path]:
    """The repository's prod environment, pointed at the test cluster and gone from it afterwards."""
    with on_apiserver(project, apiserver) as root:
        yield root


def run(root: Path) -> tuple[Engine, list[str]]:
    """An engine and the lines that it says."""
    said: list[str] = []
    return Engine(root, "prod", said.append), said


def live(root: Path, apiserver: ApiServer) -> dict[str, Any]:
    """What the API holds of everything that is declared."""
    manifests = build_environment(root, "prod").manifests
    return {manifest.path: apiserver.client.get(manifest.body) for manifest in manifests}


def test_life_of_a_stack(on_cluster: Path, apiserver: ApiServer) -> None:
    """preview → up → nothing to do → one field → drift → loss → destroy."""
    manifests = build_environment(on_cluster, "prod").manifests
    engine, _ = run(on_cluster)
    assert engine.preview()["create"] > len(manifests)
    assert not any(live(on_cluster, apiserver).values())

    outputs = engine.up()
    assert outputs["models"]["iris"]["url"] == "https://iris.models.example.com/v1/iris"
    for manifest in manifests:
        stored = apiserver.client.get(manifest.body)
        assert stored is not None, manifest.path
        rewritten = [d for d in compare_data(manifest.body, stored) if d[0] != "add"]
        assert rewritten == [], manifest.path

    assert set(run(on_cluster)[0].preview()) == {"same"}

    edit(on_cluster / "models/iris.yaml", "max: 10", "max: 12")
    engine, said = run(on_cluster)
    assert engine.preview()["update"] == 1
    engine.up()
    scaler = next(m.body for m in manifests if m.kind == "HorizontalPodAutoscaler")
    assert (apiserver.client.get(scaler) or {})["spec"]["maxReplicas"] == 12
    assert any("horizontalpodautoscaler-iris" in line for line in said)

    apiserver.client.patch(scaler, {"spec": {"maxReplicas": 99}})
    refreshed = refresh(on_cluster)
    assert refreshed["update"] == 1
    engine.up()
    assert (apiserver.client.get(scaler) or {})["spec"]["maxReplicas"] == 12
    assert set(refresh(on_cluster)) == {"same"}

    apiserver.client.delete(scaler)
    assert refresh(on_cluster)["delete"] == 1
    engine.up()
    assert (apiserver.client.get(scaler) or {})["spec"]["maxReplicas"] == 12

    engine.destroy()
    left = [path for path, body in live(on_cluster, apiserver).items() if body]
    assert left == ["_environment/namespace-models.yaml"]


def test_a_broken_spec_changes_nothing(on_cluster: Path, apiserver: ApiServer) -> None:
    edit(on_cluster / "models/iris.yaml", "min: 3", "min: 30")
    with pytest.raises(ServestackError, match=r"SRV125 autoscaling.min: 30 is above"):
        run(on_cluster)[0].up()
    assert not any(live_of_namespace(apiserver))


def live_of_namespace(apiserver: ApiServer) -> list[str]:
    return apiserver.client.list_names("apps/v1", "Deployment", "models")


def test_an_unreachable_cluster_is_told(on_cluster: Path, apiserver: ApiServer) -> None:
    config = on_cluster / "kubeconfig"
    text = apiserver.kubeconfig.read_text()
    config.write_text(text.replace(apiserver.client.server, "https://127.0.0.1:9"))
    edit(on_cluster / "stacks/prod.yaml", str(apiserver.kubeconfig), str(config))
    done = servestack("up", "prod", "--yes", folder=on_cluster)
    assert done.returncode == 1
    assert "SRV515 the cluster does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_verbs_of_the_command_line(on_cluster: Path, apiserver: ApiServer) -> None:
    early = servestack("status", "prod", folder=on_cluster)
    assert "SRV518 prod was never brought up" in early.stderr
    assert '"create"' in servestack("preview", "prod", folder=on_cluster).stdout
    up = servestack("up", "prod", "--yes", folder=on_cluster)
    assert up.returncode == 0, up.stderr
    assert json.loads(up.stdout)["models"]["iris"]["docs"].endswith("/v1/iris/docs")
    assert live_of_namespace(apiserver) == ["iris"]
    status = servestack("status", "prod", "--check", folder=on_cluster)
    assert json.loads(status.stdout) == json.loads(up.stdout)
    told = "git and cluster disagree: iris: git says version 1; no pod is ready"
    assert (status.returncode, told in status.stderr) == (2, True), "nobody runs pods here"
    assert servestack("destroy", "prod", folder=on_cluster).returncode == 1
    assert servestack("destroy", "prod", "--yes", folder=on_cluster).returncode == 0
    assert live_of_namespace(apiserver) == []
