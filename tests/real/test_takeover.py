"""A Rollout is made beside a Deployment on a real API, and what is applied later finds it as its own.

No controller runs here: that pods start and requests reach them is seen on a cluster, in
tests/cluster/test_rollouts.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servestack.live.takeover import start_beside, takeovers
from servestack.manifests.kinds import WORKLOADS
from tests.real.test_handover import (
    Apply,
    Manifests,
    as_flux,
    built,
    client_side,
    cluster,
    server_side,
)
from tests.real.test_live import delete
from tests.support.apiserver import ApiServer

ARGO = {
    "rollouts": {"engine": "argo", "prometheusAddress": "http://prometheus:9090", "router": "nginx"}
}
SCALED = {"autoscaling": {"min": 3, "max": 9}}


@pytest.fixture
def rolling(tmp_path: Path) -> Manifests:
    return built(tmp_path / "rolling", SCALED, ARGO)


@pytest.fixture
def canary(tmp_path: Path) -> Manifests:
    return built(tmp_path / "canary", SCALED | {"rollout": {"strategy": "canary"}}, ARGO)


@pytest.fixture(autouse=True)
def emptied(apiserver: ApiServer, rolling: Manifests, canary: Manifests) -> Iterator[None]:
    yield
    apiserver.client.delete(_SLICE)
    for manifests in (rolling, canary):
        delete(apiserver, manifests)


def _lead_somewhere(apiserver: ApiServer) -> None:
    """What the endpoints controller makes of the stable Service's selector."""
    apiserver.client.apply(_SLICE)


_SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "iris-stable",
        "namespace": "models",
        "labels": {"kubernetes.io/service-name": "iris-stable"},
    },
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
    "ports": [],
}


def replicas(apiserver: ApiServer, manifests: Manifests) -> int | None:
    (body,) = (manifest.body for manifest in manifests if manifest.kind in WORKLOADS)
    found = apiserver.client.get(body)
    assert found is not None
    count: int | None = found["spec"].get("replicas")
    return count


@pytest.mark.parametrize("apply", [client_side, server_side, as_flux])
@pytest.mark.parametrize("way", ["there", "back"])
def test_as_many_pods_start_beside_the_others_and_stay(
    apply: Apply, way: str, apiserver: ApiServer, rolling: Manifests, canary: Manifests
) -> None:
    before, after = (rolling, canary) if way == "there" else (canary, rolling)
    apply(apiserver, before)
    (old,) = (manifest.body for manifest in before if manifest.kind in WORKLOADS)
    apiserver.client.apply(
        {key: old[key] for key in ("apiVersion", "kind")}
        | {"metadata": {"name": "iris", "namespace": "models"}, "spec": {"replicas": 5}},
        manager="an-autoscaler",
    )
    if way == "there":
        _lead_somewhere(apiserver)
    (move,) = takeovers(cluster(apiserver), after)
    assert move.replicas == 5
    start_beside(cluster(apiserver), move, after)
    assert replicas(apiserver, before) == 5
    assert replicas(apiserver, after) == 5
    assert takeovers(cluster(apiserver), after) == ()
    apply(apiserver, after)
    apply(apiserver, after)
    assert replicas(apiserver, after) == 5


def test_nothing_is_taken_over_from_a_stranger(
    apiserver: ApiServer, rolling: Manifests, canary: Manifests
) -> None:
    server_side(apiserver, rolling)
    (old,) = (manifest.body for manifest in rolling if manifest.kind == "Deployment")
    labels = old["metadata"]["labels"] | {"app.kubernetes.io/managed-by": "someone"}
    apiserver.client.apply(old | {"metadata": old["metadata"] | {"labels": labels}})
    assert takeovers(cluster(apiserver), canary) == ()
