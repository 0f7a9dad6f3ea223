"""Waiting for rollouts, on the answers of an API that change from look to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from servestack.errors import ClusterError, Problem
from servestack.live.waiting import Waited, problem_of, wait_for
from servestack.live.workload import see_workload
from servestack.manifests.kinds import Resource
from servestack.manifests.manifest import Manifest
from servestack.manifests.marks import Mark, Workload, workloads
from tests.unit.live.test_judgement import ABORTED, HEALTHY, NEW, OLD, Body, analysis, rollout
from tests.unit.live.test_judgement import deployment as of_status
from tests.unit.live.test_rollout import FETCH_FAILED, pod, replica_set

WANTED = Workload(
    "iris", "iris", "models", "Deployment", Mark("3", "c" * 64, ("--model=iris=3#sha256=ab",))
)


def template(version: str = "3", config: str = "c" * 64, pin: str = "ab") -> Body:
    return {
        "metadata": {
            "labels": {"servestack.dev/version": version},
            "annotations": {"servestack.dev/config-sha256": config},
        },
        "spec": {"containers": [{"name": "server", "args": ["serve", f"--model=iris={version}#sha256={pin}"]}]},
    }  # fmt: skip


def live(body: Body, **of_template: str) -> Body:
    body["spec"] |= {
        "selector": {"matchLabels": {"app": "iris"}}, "template": template(**of_template),
    }  # fmt: skip
    body["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    return body


class Answers:
    """One look at a cluster: a Deployment, a Rollout, and the pods of both."""

    def __init__(
        self, *objects: Body, pods: tuple[Body, ...] = (), runs: tuple[Body, ...] = ()
    ) -> None:
        self.objects = {body["kind"]: body for body in objects}
        self.listed = {"Pod": list(pods), "AnalysisRun": list(runs),
                       "ReplicaSet": [replica_set("old", "1"), replica_set("new", "2")]}  # fmt: skip

    def serves(self, api_version: str, plural: str) -> bool:
        assert (api_version, plural) == ("argoproj.io/v1alpha1", "rollouts")
        return True

    def get(self, kind: Resource, namespace: str, name: str) -> Body | None:
        assert (namespace, name) == ("models", "iris")
        return self.objects.get(kind.name)

    def list(self, kind: Resource, namespace: str, selector: str) -> list[Body]:
        return self.listed[kind.name]

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        return "loading\n"


class Changing:
    """A cluster that answers with the next look after each pause. An error is one that it has."""

    def __init__(self, *looks: Answers | ClusterError) -> None:
        self.looks = list(looks)

    def pause(self, seconds: float) -> None:
        if len(self.looks) > 1:
            self.looks.pop(0)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        now = self.looks[0]
        if isinstance(now, ClusterError):
            raise now
        return getattr(now, name)  # type: ignore[no-any-return]


DONE = {"pods": (pod("new", "3", ready=True),)}


def wait(*looks: Answers | ClusterError, seconds: float = 60) -> tuple[Waited, list[str]]:
    cluster, said = Changing(*looks), list[str]()
    waited = wait_for(cluster, [WANTED], seconds, said.append, sleep=cluster.pause)  # type: ignore[arg-type]
    return waited, said


def test_from_nothing_to_complete() -> None:
    waited, said = wait(
        Answers(),
        Answers(live(of_status(), version="2"), pods=(pod("old", "2", ready=True),)),
        Answers(live(of_status(observedGeneration=3))),
        Answers(live(of_status(updatedReplicas=1, replicas=4)), pods=(pod("new", "3", **FETCH_FAILED),)),
        Answers(live(of_status(updatedReplicas=1, replicas=4)), pods=(pod("new", "3", **FETCH_FAILED),)),
        Answers(live(of_status()), **DONE),
    )  # fmt: skip
    assert waited.result == "complete"
    assert said == [
        "iris: missing: the cluster has no Deployment of this name yet",
        "iris: outdated: the cluster does not have this version yet: version 2 instead of 3",
        "iris: progressing: the cluster has not acted on the change yet",
        "iris: progressing: 1 of 3 pods updated",
        "iris: fetch: exited with 1\n  fetching\n  iris has sha256 a, but b is locked",
        "iris: complete: 3 pods ready",
    ]
    assert problem_of(waited, "prod") is None


@pytest.mark.parametrize(
    ("of_template", "difference"),
    [
        ({"version": "2"}, "version 2 instead of 3"),
        ({"pin": "cd"}, "another artifact of version 3"),
        ({"config": "d" * 64}, f"version 3 with other settings ({'d' * 12} instead of {'c' * 12})"),
    ],
)
def test_a_complete_rollout_of_something_else_is_not_it(
    of_template: dict[str, str], difference: str
) -> None:
    waited, _ = wait(Answers(live(of_status(), **of_template), **DONE), seconds=0)
    assert waited.result == "timeout"
    assert waited.seen[0].message == f"the cluster does not have this version yet: {difference}"
    text = str(problem_of(waited, "prod"))
    assert text.startswith("SRV696 1 rollout not complete after 0 s\n")
    assert "servestack diff --live" in text


def test_a_failure_of_the_version_before_is_not_ours() -> None:
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    old = live(of_status(availableReplicas=1, conditions=late), version="2")
    waited, _ = wait(Answers(old), Answers(live(of_status()), **DONE))
    assert waited.result == "complete"


def test_old_pods_that_nobody_has_ended() -> None:
    """The status counts pods that the controller has seen; a list may know better."""
    old = pod("old", "2", ready=True)
    waited, said = wait(
        Answers(live(of_status()), pods=(*DONE["pods"], old)),
        Answers(live(of_status()), pods=(*DONE["pods"], old | {"metadata": old["metadata"] | {"deletionTimestamp": "2026-11-30T10:00:00Z"}})),
    )  # fmt: skip
    assert said == ["iris: progressing: 1 old pod still there", "iris: complete: 3 pods ready"]
    assert waited.result == "complete"


def test_a_failed_rollout_ends_it_with_its_reasons() -> None:
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    body = live(of_status(updatedReplicas=1, replicas=4, conditions=late))
    pods = (pod("new", "3", **FETCH_FAILED), pod("old", "2", ready=True))
    waited, _ = wait(Answers(body, pods=pods))
    assert waited.result == "failed"
    assert str(problem_of(waited, "prod")).splitlines() == [
        "SRV695 1 rollout failed",
        "    iris: failed: not rolled out within 600 s",
        "        fetch: exited with 1",
        "          fetching",
        "          iris has sha256 a, but b is locked",
        "        serving: version 2 with 1 pod",
        "    to go back in git: servestack rollback iris prod",
    ]


def test_an_aborted_rollout_of_argo() -> None:
    failed = {
        "name": "errors",
        "phase": "Failed",
        "failed": 2,
        "count": 2,
        "measurements": [{"value": "[0.2]"}],
    }
    run = analysis("Failed", failed)
    stable = pod(OLD, "2", ready=True)
    stable["metadata"]["labels"]["rollouts-pod-template-hash"] = OLD
    waited, _ = wait(Answers(live(rollout(**ABORTED)), pods=(stable,), runs=(run,)))
    (seen,) = waited.seen
    assert (waited.result, seen.kind, seen.is_aborted) == ("failed", "Rollout", True)
    assert (seen.version, seen.serving, seen.agrees) == ("3", (("2", 1),), False)
    assert seen.reasons == (f"analysis iris-{NEW}-2-2: Failed: errors = [0.2] (2 failed of 2)",)


def test_a_rollout_beside_a_deployment_of_its_name() -> None:
    """The Rollout is asked first; a Deployment alone is not a Rollout that is declared."""
    both = Answers(live(rollout(**HEALTHY)), live(of_status(), version="1"))
    seen = see_workload(both, WANTED, rollouts=True)  # type: ignore[arg-type]
    assert (seen.kind, seen.state) == ("Rollout", "complete")
    seen = see_workload(both, WANTED, rollouts=False)  # type: ignore[arg-type]
    assert (seen.kind, seen.state) == ("Deployment", "outdated")
    declared = Workload("iris", "iris", "models", "Rollout", WANTED.mark)
    alone = Answers(live(of_status()))
    seen = see_workload(alone, declared, rollouts=True)  # type: ignore[arg-type]
    assert (seen.kind, seen.state) == ("Deployment", "outdated")
    assert seen.message.endswith("a Deployment instead of a Rollout")


def test_a_rollout_that_takes_its_template_from_a_deployment() -> None:
    body = rollout(**HEALTHY)
    body["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"}
    parked = live(of_status({"replicas": 0}, replicas=0, updatedReplicas=0, availableReplicas=0))
    seen = see_workload(Answers(body, parked), WANTED, rollouts=True)  # type: ignore[arg-type]
    assert (seen.kind, seen.state, seen.version) == ("Rollout", "complete", "3")
    manifests = [
        Manifest("iris", "workload", "b", "s", each | {"apiVersion": api})
        for each, api in ((parked, "apps/v1"), (body, "argoproj.io/v1alpha1"))
    ]
    (one,) = workloads(manifests)
    assert (one.kind, one.mark) == ("Rollout", WANTED.mark)


def test_a_cluster_that_is_away_for_a_while() -> None:
    away = ClusterError(Problem("SRV534", "the cluster does not answer"))
    waited, said = wait(Answers(), away, Answers(live(of_status()), **DONE))
    assert waited.result == "complete"
    assert said[1] == "the cluster does not answer; asked again"
    with pytest.raises(ClusterError):
        wait(away)
    with pytest.raises(ClusterError):
        wait(Answers(), ClusterError(Problem("SRV535", "forbidden")))


def test_what_a_pod_prints_shows_no_secret() -> None:
    status: dict[str, Any] = {
        "containerStatuses": [
            {
                "name": "server",
                "state": {"terminated": {"exitCode": 1, "message": "password: hunter2hunter2"}},
            }
        ]
    }
    waited, said = wait(
        Answers(live(of_status(availableReplicas=2)), pods=(pod("new", "3", **status),)), seconds=0
    )
    assert "hunter2hunter2" not in " ".join(said) + str(problem_of(waited, "prod"))
