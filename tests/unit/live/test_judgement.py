"""How rollouts are judged, by bodies as `kubectl get -o json` shows them."""

from __future__ import annotations

from typing import Any

import pytest

from servestack.live.judgement import judge_deployment, judge_rollout

Body = dict[str, Any]
NEW, OLD = "6c7d8f9b5", "75c4b6f9d"


def deployment(spec: Body | None = None, **status: Any) -> Body:
    whole = {
        "observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
        "availableReplicas": 3,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "iris", "namespace": "models", "generation": 4},
        "spec": {"replicas": 3, "progressDeadlineSeconds": 600, **(spec or {})},
        "status": {key: value for key, value in (whole | status).items() if value is not None},
    }  # fmt: skip


LATE = [
    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
    {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: memory"},
]


@pytest.mark.parametrize(
    ("body", "state", "message"),
    [
        (deployment(), "complete", "3 pods ready"),
        (deployment({"replicas": 0}, replicas=None, updatedReplicas=None, availableReplicas=None),
         "complete", "0 pods ready"),
        (deployment(observedGeneration=3), "progressing", "has not acted"),
        (deployment() | {"status": {}}, "progressing", "has not acted"),
        (deployment(updatedReplicas=1, replicas=4), "progressing", "1 of 3 pods updated"),
        (deployment(replicas=4, availableReplicas=4), "progressing", "1 old pod still there"),
        (deployment(availableReplicas=2), "progressing", "2 of 3 pods ready"),
        (deployment({"paused": True}, updatedReplicas=1, replicas=4), "paused", "spec.paused"),
        (deployment(availableReplicas=1, conditions=LATE), "failed", "within 600 s"),
        # The deadline has passed, and then it went on: it is done all the same.
        (deployment(conditions=LATE), "complete", "3 pods ready"),
        (deployment(availableReplicas=1, conditions=LATE, observedGeneration=3), "progressing", "acted"),
    ],
)  # fmt: skip
def test_a_deployment(body: Body, state: str, message: str) -> None:
    judged = judge_deployment(body)
    assert judged.state == state
    assert message in judged.message


def test_why_a_deployment_has_no_pods() -> None:
    judged = judge_deployment(deployment(updatedReplicas=0, replicas=3, conditions=LATE))
    assert (judged.state, judged.reasons) == ("failed", ("exceeded quota: memory",))


STEPS = [
    {"setWeight": 5}, {"pause": {"duration": "10m"}}, {"analysis": {"templates": []}},
    {"setWeight": 50}, {"pause": {}},
]  # fmt: skip


def rollout(spec: Body | None = None, **status: Any) -> Body:
    """A canary with traffic routing. By default it is at its first pause."""
    whole = {
        "HPAReplicas": 4, "availableReplicas": 4, "blueGreen": {}, "canary": {},
        "collisionCount": None,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "AvailableReason"},
            {"type": "Paused", "status": "True", "reason": "RolloutPaused"},
            {"type": "Healthy", "status": "False", "reason": "RolloutHealthy"},
            {"type": "Progressing", "status": "Unknown", "reason": "RolloutPaused"},
        ],
        "controllerPause": True, "currentPodHash": NEW, "currentStepHash": "5f6f8c4c66",
        "currentStepIndex": 1, "message": "CanaryPauseStep", "observedGeneration": "7",
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-30T10:00:00Z"}],
        "phase": "Paused", "readyReplicas": 4, "replicas": 4, "selector": "app=iris",
        "stableRS": OLD, "updatedReplicas": 1, "workloadObservedGeneration": "0",
    }  # fmt: skip
    return {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "iris", "namespace": "models", "generation": 7},
        "spec": {"replicas": 3, "strategy": {"canary": {"steps": STEPS}}, **(spec or {})},
        "status": {key: value for key, value in (whole | status).items() if value is not None},
    }  # fmt: skip


HEALTHY: Body = {
    "phase": "Healthy", "message": None, "stableRS": NEW, "controllerPause": None,
    "pauseConditions": None, "currentStepIndex": 5, "updatedReplicas": 3, "availableReplicas": 3,
}  # fmt: skip
GOES_ON: Body = {"phase": "Progressing", "pauseConditions": None, "controllerPause": None}
ABORTED: Body = GOES_ON | {
    "phase": "Degraded", "abort": True, "abortedAt": "2026-11-30T10:20:00Z", "currentStepIndex": 0,
    "message": 'RolloutAborted: Rollout aborted update to revision 2: Metric "success-rate" assessed '
    "Failed due to failed (2) > failureLimit (1)",
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "state", "message"),
    [
        (rollout(**HEALTHY), "complete", "3 pods ready"),
        (rollout(), "paused", "paused at step 2 of 5 (5%): a step of the canary"),
        (rollout(currentStepIndex=4), "paused",
         "at step 5 of 5 (50%): a step of the canary; to go on: kubectl argo rollouts promote iris"),
        (rollout({"paused": True}), "paused", "by somebody (spec.paused)"),
        (rollout(pauseConditions=[{"reason": "InconclusiveAnalysisRun"}]), "paused", "is inconclusive"),
        (rollout({"strategy": {"blueGreen": {}}}, currentStepIndex=None, message="BlueGreenPause",
                 pauseConditions=[{"reason": "BlueGreenPause"}]), "paused", "paused: waits before"),
        (rollout(pauseConditions=None), "progressing", "resumes after a pause"),
        (rollout(**GOES_ON, message="more replicas need to be updated"), "progressing",
         "more replicas need to be updated at step 2 of 5 (5%)"),
        (rollout(**ABORTED), "failed", "aborted: RolloutAborted: Rollout aborted"),
        (rollout(**(GOES_ON | {"phase": "Degraded", "message": "ProgressDeadlineExceeded: ReplicaSet "
                 '"iris-6c7d8f9b5" has timed out progressing.'})), "failed", "ProgressDeadlineExceeded"),
        (rollout(**(GOES_ON | {"phase": "Degraded", "message": "InvalidSpec: The Rollout is invalid"})),
         "failed", "InvalidSpec"),
        (rollout(**GOES_ON, message="more replicas need to be updated", currentStepIndex=5),
         "progressing", "more replicas need to be updated"),
        # The status is that of the generation before: it was Healthy, or aborted.
        (rollout(**(HEALTHY | {"observedGeneration": "6"})), "progressing", "has not acted"),
        (rollout(**(ABORTED | {"observedGeneration": "6"})), "progressing", "has not acted"),
        # Healthy, and the newest template is not the stable one yet.
        (rollout(**(HEALTHY | {"stableRS": OLD})), "progressing", "rolling out"),
        (rollout() | {"status": {}}, "progressing", "has not reported"),
    ],
)  # fmt: skip
def test_a_rollout(body: Body, state: str, message: str) -> None:
    judged = judge_rollout(body)
    assert judged.state == state, judged
    assert message in judged.message
    assert judged.is_aborted == (body["status"].get("abort", False) and state == "failed")


def test_a_rollout_of_a_deployments_template() -> None:
    """Its own generation stays where the Deployment's template changes (workloadRef)."""
    body = rollout(**HEALTHY)
    body["metadata"]["annotations"] = {"rollout.argoproj.io/workload-generation": "3"}
    body["status"]["workloadObservedGeneration"] = "2"
    assert judge_rollout(body).state == "progressing"
    body["status"]["workloadObservedGeneration"] = "3"
    assert judge_rollout(body).state == "complete"


def analysis(phase: str, *metrics: Body, pod_hash: str = NEW, message: str = "") -> Body:
    return {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
        "metadata": {
            "name": f"iris-{pod_hash}-2-2",
            "labels": {"rollouts-pod-template-hash": pod_hash, "rollout-type": "Step"},
        },
        "status": {"phase": phase, "message": message, "metricResults": list(metrics)},
    }  # fmt: skip


def test_what_analyses_found() -> None:
    failed = {
        "name": "success-rate", "phase": "Failed", "count": 3, "successful": 1, "failed": 2,
        "measurements": [
            {"phase": "Successful", "value": "[1]"}, {"phase": "Failed", "value": "[0.91]"},
        ],
    }  # fmt: skip
    error = {
        "name": "latency", "phase": "Error", "consecutiveError": 5, "error": 5, "count": 0,
        "measurements": [{"phase": "Error", "message": "dial tcp: no such host"}],
    }  # fmt: skip
    fine = {"name": "memory", "phase": "Successful", "measurements": [{"value": "[1]"}]}
    runs = [
        analysis("Failed", failed, error, fine, message='Metric "success-rate" assessed Failed'),
        analysis("Failed", failed, pod_hash=OLD),
        analysis("Successful", fine),
    ]
    assert judge_rollout(rollout(**ABORTED), runs).reasons == (
        f'analysis iris-{NEW}-2-2: Failed: Metric "success-rate" assessed Failed; '
        "success-rate = [0.91] (2 failed of 3); latency (5 error of 0): dial tcp: no such host",
    )
    assert judge_rollout(rollout(), [analysis("Running")]).reasons == (
        f"analysis iris-{NEW}-2-2: Running",
    )
