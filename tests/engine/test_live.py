"""`diff --live` after Pulumi has applied: its field manager has another name than kubectl's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servestack.apply.engine import Engine
from servestack.project import build_environment
from tests.engine.projects import refresh
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.kubectl import kubectl


@pytest.fixture
def brought_up(project: Path, apiserver: ApiServer) -> Iterator[Path]:
    """The repository's prod environment, on the test cluster by Pulumi."""
    stack = project / "stacks/prod.yaml"
    cluster = f"cluster: {{context: {CONTEXT}, kubeconfig: {apiserver.kubeconfig}}}"
    stack.write_text(stack.read_text().replace("cluster: {context: prod}", cluster))
    manifests = build_environment(project, "prod").manifests
    Engine(project, "prod", lambda line: None).up()
    yield project
    for manifest in reversed(manifests):
        apiserver.client.delete(manifest.body)


def diff(project: Path) -> tuple[int, str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("servestack"), "diff", "prod", "--live"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_drift_is_found_and_set_back(brought_up: Path, apiserver: ApiServer) -> None:
    assert diff(brought_up) == (0, f"prod: no changes against cluster {CONTEXT}\n")
    kubectl(apiserver, "-n", "models", "set", "image", "deployment/iris", "server=theirs:1")
    code, text = diff(brought_up)
    assert code == 2
    assert "drift: kubectl-set changed spec.template.spec.containers[server].image" in text
    refresh(brought_up)
    Engine(brought_up, "prod", lambda line: None).up()
    assert diff(brought_up)[0] == 0


def test_what_up_will_change_is_no_drift(brought_up: Path) -> None:
    spec = brought_up / "models/iris.yaml"
    spec.write_text(spec.read_text().replace("max: 10", "max: 12"))
    code, text = diff(brought_up)
    assert code == 2
    assert "~ spec.maxReplicas: 10 → 12  (maximum capacity 10→12)" in text
    assert "drift" not in text
