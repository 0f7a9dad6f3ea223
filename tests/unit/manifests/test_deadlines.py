"""How long `up` and Flux wait for a model: its own progress deadline, not a fixed time."""

from __future__ import annotations

import pytest

from servestack.manifests.deadlines import MARGIN_SECONDS, rollout_seconds
from servestack.manifests.manifest import Body, Manifest


def manifest(kind: str, **spec: object) -> Manifest:
    body: Body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "iris"}, "spec": spec}
    return Manifest("iris", "workload", "builder", "models/iris.yaml", body)


DEPLOYMENT = {"progressDeadlineSeconds": 90, "minReadySeconds": 10}


@pytest.mark.parametrize(
    ("manifests", "seconds"),
    [
        ([], None),
        ([manifest("Service")], None),
        ([manifest("Deployment", replicas=1, **DEPLOYMENT)], 90),
        ([manifest("Deployment", replicas=4, **DEPLOYMENT)], 120),
        (
            [
                manifest("Deployment", **DEPLOYMENT),
                manifest("HorizontalPodAutoscaler", maxReplicas=3),
            ],
            110,
        ),
    ],
)
def test_the_deadline_and_what_further_pods_take(
    manifests: list[Manifest], seconds: int | None
) -> None:
    assert rollout_seconds(manifests) == (None if seconds is None else seconds + MARGIN_SECONDS)
