"""What others made is neither overwritten nor deleted; what is ours is named before it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servestack.live.client import Cluster
from servestack.live.kubeconfig import load_configuration
from servestack.live.ownership import MANAGED_BY_LABEL
from servestack.manifests.kinds import NAMESPACED
from servestack.manifests.names import MANAGED_BY
from tests.engine.projects import edit, on_apiserver
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.forked import servestack

NAMESPACE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "models"},
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "kafka-credentials", "namespace": "models"},
    "stringData": {"username": "models"},
}


@pytest.fixture
def prod(project: Path, apiserver: ApiServer) -> Iterator[Path]:
    """The prod environment on a cluster whose platform made the namespace with a Secret in it."""
    platform = {"labels": {"platform.example.com/team": "growth"}}
    apiserver.client.create(NAMESPACE | {"metadata": NAMESPACE["metadata"] | platform})
    apiserver.client.create(SECRET)
    with on_apiserver(project, apiserver):
        yield project
    apiserver.client.delete(SECRET)
    apiserver.client.delete(NAMESPACE)


def labels(apiserver: ApiServer) -> dict[str, Any]:
    live = apiserver.client.get(NAMESPACE)
    assert live is not None
    found: dict[str, Any] = live["metadata"]["labels"]
    return found


def test_a_namespace_of_the_platform_is_used_and_left(prod: Path, apiserver: ApiServer) -> None:
    before = labels(apiserver)
    up = servestack("up", "prod", "--yes", folder=prod)
    assert up.returncode == 0, up.stderr
    assert labels(apiserver)["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels(apiserver)["platform.example.com/team"] == "growth"

    destroyed = servestack("destroy", "prod", "--yes", folder=prod)
    assert destroyed.returncode == 0, destroyed.stderr
    assert labels(apiserver) == before
    assert apiserver.client.get(SECRET) is not None
    assert apiserver.client.list_names("apps/v1", "Deployment", "models") == []
    announced = next(line for line in destroyed.stderr.splitlines() if line.startswith("deletes"))
    assert "Deployment/iris" in announced
    assert "Namespace" not in announced


def test_namespace_adopted(prod: Path, apiserver: ApiServer) -> None:
    """destroy names all that it deletes, deletes all that it named, and nothing beside it.

    Namespace and foreign objects stay under the identity that they had.
    """
    uids = {kind: uid(apiserver, body) for kind, body in FOREIGN.items()}
    assert servestack("up", "prod", "--yes", folder=prod).returncode == 0
    ours = set(of_servestack(apiserver))
    assert {"Deployment/iris", "Service/iris", "NetworkPolicy/default-deny"} <= ours

    destroyed = servestack("destroy", "prod", "--yes", folder=prod)
    assert destroyed.returncode == 0, destroyed.stderr
    (announced,) = (line for line in destroyed.stderr.splitlines() if line.startswith("deletes: "))
    assert set(announced.removeprefix("deletes: ").split(", ")) == ours
    assert of_servestack(apiserver) == []
    assert {kind: uid(apiserver, body) for kind, body in FOREIGN.items()} == uids


FOREIGN = {"Namespace": NAMESPACE, "Secret": SECRET}


def uid(apiserver: ApiServer, body: dict[str, Any]) -> str:
    """The identity of an object: one that was deleted and made again has another."""
    found: str = (apiserver.client.get(body) or {})["metadata"]["uid"]
    return found


def of_servestack(apiserver: ApiServer) -> list[str]:
    """What the namespace has with our label, as `Deployment/iris`."""
    cluster = Cluster(load_configuration(str(apiserver.kubeconfig), CONTEXT))
    label = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
    return [
        f"{kind.name}/{body['metadata']['name']}"
        for kind in NAMESPACED
        for body in cluster.list(kind, "models", label) or ()
    ]


def test_another_namespace_in_the_environment_deletes_none(
    prod: Path, apiserver: ApiServer
) -> None:
    assert servestack("up", "prod", "--yes", folder=prod).returncode == 0
    edit(prod / "stacks/prod.yaml", "\nnamespace: models\n", "\nnamespace: other\n")
    moved = servestack("up", "prod", "--yes", folder=prod)
    assert moved.returncode == 0, moved.stderr
    assert apiserver.client.list_names("apps/v1", "Deployment", "other") == ["iris"]
    assert apiserver.client.list_names("apps/v1", "Deployment", "models") == []
    assert apiserver.client.get(SECRET) is not None
    assert servestack("destroy", "prod", "--yes", folder=prod).returncode == 0
    apiserver.client.delete(NAMESPACE | {"metadata": {"name": "other"}})


def test_a_namespace_with_another_level_is_a_conflict(prod: Path, apiserver: ApiServer) -> None:
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    apiserver.client.patch(NAMESPACE, level)
    up = servestack("up", "prod", "--yes", folder=prod)
    assert up.returncode == 1
    assert "SRV523" in up.stderr
    assert "createNamespace: false" in up.stderr
    assert labels(apiserver)["pod-security.kubernetes.io/enforce"] == "privileged"


def test_an_object_of_somebody_else_is_left_as_it_is(prod: Path, apiserver: ApiServer) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "iris-server", "namespace": "models"},
        "data": {"theirs": "1"},
    }
    apiserver.client.create(theirs)
    up = servestack("up", "prod", "--yes", folder=prod)
    assert up.returncode == 1
    assert "SRV522 iris/configmap-iris-server: iris-server (configmaps) exists already" in up.stderr
    assert (apiserver.client.get(theirs) or {})["data"] == {"theirs": "1"}
    assert servestack("destroy", "prod", "--yes", folder=prod).returncode == 0
    assert (apiserver.client.get(theirs) or {})["data"] == {"theirs": "1"}
    apiserver.client.delete(theirs)


def test_what_up_deletes_is_named_first(prod: Path, apiserver: ApiServer) -> None:
    assert servestack("up", "prod", "--yes", folder=prod).returncode == 0
    edit(prod / "stacks/prod.yaml", "grafana: {folder: Models}\n", "")
    preview, up = (
        servestack(*command, folder=prod)
        for command in (("preview", "prod"), ("up", "prod", "--yes"))
    )
    for shown in (preview, up):
        assert shown.returncode == 0, shown.stderr
        gone = "_environment/then-configmap-servestack-fleet-prod, iris/configmap-iris-dashboard"
        assert f"\ndeletes: {gone}\n" in shown.stderr
