"""How a rollout stands, from what the API says of a Deployment and its pods."""

from __future__ import annotations

from typing import Any

import pytest

from servestack.live.rollout import see_rollout
from servestack.live.rollout_watch import problem_of
from servestack.manifests.kinds import Resource

Body = dict[str, Any]
LOG = "loading\nwarming up\n"


class FakeCluster:
    """The answers of an API: one Deployment, its ReplicaSets and pods."""

    def __init__(self, deployment: Body | None, pods: list[Body]) -> None:
        self.deployment, self.pods = deployment, pods

    def get(self, kind: Resource, namespace: str, name: str) -> Body | None:
        return self.deployment

    def list(self, kind: Resource, namespace: str, selector: str) -> list[Body]:
        assert selector == "app=iris"
        if kind.name == "Pod":
            return self.pods
        return [replica_set("old", "1"), replica_set("new", "2")]

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        return LOG


def replica_set(pod_hash: str, revision: str) -> Body:
    annotations = {"deployment.kubernetes.io/revision": revision}
    return {"metadata": {"labels": {"pod-template-hash": pod_hash}, "annotations": annotations}}


def deployment(*, reason: str = "ReplicaSetUpdated", observed: int = 2, counts: int = 1) -> Body:
    keys = ("replicas", "updatedReplicas", "availableReplicas")
    return {
        "metadata": {
            "generation": 2, "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": 45,
            "selector": {"matchLabels": {"app": "iris"}},
            "template": {"metadata": {"labels": {"servestack.dev/version": "3"}}},
        },
        "status": {
            "observedGeneration": observed,
            "conditions": [{"type": "Progressing", "status": "False", "reason": reason}],
            **dict.fromkeys(keys, counts),
        },
    }  # fmt: skip


def pod(pod_hash: str, version: str, *, ready: bool = False, **status: Any) -> Body:
    conditions = [{"type": "Ready", "status": str(ready)}, *status.pop("conditions", [])]
    labels = {"pod-template-hash": pod_hash, "servestack.dev/version": version}
    metadata = {"name": f"iris-{pod_hash}-x", "labels": labels}
    return {"metadata": metadata, "status": {"conditions": conditions, **status}}


def of_container(name: str, **status: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": name, "ready": False, **status}]}


FETCH_FAILED: dict[str, Any] = {
    "initContainerStatuses": [
        {
            "name": "fetch",
            "ready": False,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
            "lastState": {
                "terminated": {
                    "exitCode": 1,
                    "message": "fetching\niris has sha256 a, but b is locked\n",
                }
            },
        }
    ],
    "containerStatuses": [
        {"name": "server", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
    ],
}
SERVING = pod("old", "2", ready=True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (FETCH_FAILED, "fetch: exited with 1\n  fetching\n  iris has sha256 a, but b is locked"),
        (
            of_container("server", state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            "server: killed, out of memory",
        ),
        (
            of_container(
                "server",
                state={"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}},
            ),
            "server: ImagePullBackOff: no such tag",
        ),
        (
            of_container("server", state={"running": {}}, started=False),
            "server: runs but is not ready\n  loading\n  warming up",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no memory"}
                ]
            },
            "the pod cannot be scheduled: 0/1 nodes: no memory",
        ),
    ],
)
def test_why_pods_are_not_ready(status: dict[str, Any], reason: str) -> None:
    late = deployment(reason="ProgressDeadlineExceeded")
    seen = see_rollout(FakeCluster(late, [pod("new", "3", **status), SERVING]), "models", "iris")  # type: ignore[arg-type]
    assert seen is not None
    assert seen.reasons == (reason,)
    assert (seen.done, seen.exceeded, seen.serving) == (False, True, ("2",))
    text = str(problem_of(seen))
    assert text.startswith("SRV524 iris: version 3 was not rolled out within 45 s\n")
    assert "still serving: version 2 with 1 pod\n" in text


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("cannot reach postgres://me:hunter2hunter2@db", "cannot reach postgres://(masked)@db"),
        ("config: password: hunter2hunter2", "config: password: (masked)"),
    ],
)
def test_what_a_pod_prints_shows_no_secret(printed: str, shown: str) -> None:
    ended = of_container("server", state={"terminated": {"exitCode": 1, "message": printed}})
    seen = see_rollout(FakeCluster(deployment(), [pod("new", "3", **ended)]), "models", "iris")  # type: ignore[arg-type]
    assert seen is not None
    assert seen.reasons == (f"server: exited with 1\n  {shown}",)


def test_equal_reasons_of_several_pods_are_one() -> None:
    pods = [pod("new", "3", **FETCH_FAILED), pod("new", "3", **FETCH_FAILED)]
    seen = see_rollout(FakeCluster(deployment(), pods), "models", "iris")  # type: ignore[arg-type]
    assert seen is not None
    assert len(seen.reasons) == 1
    assert "no pod serves this model" in problem_of(seen).message


def test_done_is_what_the_controller_says_of_this_generation() -> None:
    def see(**of_deployment: Any) -> tuple[bool, bool]:
        cluster: Any = FakeCluster(deployment(**of_deployment), [])
        seen = see_rollout(cluster, "models", "iris")
        assert seen is not None
        return seen.done, seen.exceeded

    assert see(counts=2) == (True, False)
    assert see(counts=1) == (False, False)
    assert see(reason="ProgressDeadlineExceeded") == (False, True)
    assert see(counts=2, observed=1) == (False, False)
    assert see(reason="ProgressDeadlineExceeded", observed=1) == (False, False)


def test_no_deployment_is_no_rollout() -> None:
    cluster: Any = FakeCluster(None, [])
    assert see_rollout(cluster, "models", "iris") is None
