"""`up` keeps the number of pods when autoscaling replaces `replicas`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.projects import edit, on_apiserver, refresh
from tests.support.apiserver import ApiServer
from tests.support.forked import servestack

_AUTOSCALING = "autoscaling: {min: 3, max: 10, cpuPercent: 50}"
_DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "iris", "namespace": "models"},
}


@pytest.fixture
def fixed(project: Path, apiserver: ApiServer) -> Iterator[Path]:
    """The prod environment, brought up with six pods, and then given to an autoscaler."""
    edit(project / "models/iris.yaml", _AUTOSCALING, "replicas: 6")
    with on_apiserver(project, apiserver):
        up = servestack("up", "prod", "--yes", folder=project)
        assert up.returncode == 0, up.stderr
        assert replicas(apiserver) == 6
        edit(project / "models/iris.yaml", "replicas: 6", _AUTOSCALING)
        yield project
        assert servestack("destroy", "prod", "--yes", folder=project).returncode == 0


def replicas(apiserver: ApiServer) -> Any:
    return (apiserver.client.get(_DEPLOYMENT) or {})["spec"]["replicas"]


def test_up_keeps_the_count(fixed: Path, apiserver: ApiServer) -> None:
    up = servestack("up", "prod", "--yes", folder=fixed)
    assert up.returncode == 0, up.stderr
    assert "iris: keeps its 6 pods until the autoscaler decides" in up.stderr
    assert replicas(apiserver) == 6

    again = servestack("up", "prod", "--yes", folder=fixed)
    assert again.returncode == 0, again.stderr
    assert "keeps its" not in again.stderr
    assert replicas(apiserver) == 6
    refresh(fixed)
    assert servestack("up", "prod", "--yes", folder=fixed).returncode == 0
    assert replicas(apiserver) == 6


def test_pulumi_up_keeps_it_after_handover(fixed: Path, apiserver: ApiServer) -> None:
    from servestack.apply.engine import Engine

    done = servestack("handover", "prod", folder=fixed)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "iris: keeps its 6 pods until the autoscaler decides\n"
    # As `pulumi up` does, without the handover of `servestack up`.
    Engine(fixed, "prod", lambda line: None).up()
    assert replicas(apiserver) == 6
    done = servestack("handover", "prod", folder=fixed)
    assert done.stderr == "no pods have to be handed over\n"


def test_pulumi_up_alone_leaves_one_pod(fixed: Path, apiserver: ApiServer) -> None:
    """The danger itself, so that the tests above cannot pass by accident."""
    from servestack.apply.engine import Engine

    Engine(fixed, "prod", lambda line: None).up()
    assert replicas(apiserver) == 1
