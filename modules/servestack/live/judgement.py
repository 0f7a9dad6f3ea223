"""How a rollout stands, by the status of a Deployment or of Argo's Rollout alone.

Sources: `kubectl rollout status` (kubectl/pkg/polymorphichelpers/rollout_status.go) and Argo's
GetRolloutPhase (argo-rollouts/utils/rollout/rolloututil.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from servestack.manifests.manifest import Body
from servestack.words import counted

POD_HASH = "rollouts-pod-template-hash"
"""Label of a Rollout's ReplicaSets, pods and AnalysisRuns."""

State = Literal["progressing", "paused", "complete", "failed"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """How far a rollout is, in words.

    `paused` goes on by itself or by somebody's hand, `failed` does not go on: the deadline has
    passed, or the rollout was aborted. `reasons` say why, as far as the status and analyses do.
    `is_aborted`: the old version stays, though the template has the new one.
    """

    state: State
    message: str
    reasons: tuple[str, ...] = ()
    is_aborted: bool = False


def judge_deployment(body: Body) -> Judgement:
    """Judge a Deployment. Complete: every pod is of the newest template, and available."""
    status, spec = body.get("status") or {}, body["spec"]
    if status.get("observedGeneration", 0) < body["metadata"]["generation"]:
        return Judgement("progressing", "the cluster has not acted on the change yet")
    failures = tuple(
        c.get("message", "")
        for c in status.get("conditions") or ()
        if c["type"] == "ReplicaFailure" and c["status"] == "True"
    )
    wanted = spec.get("replicas", 1)
    total, updated, available = (
        status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")
    )
    if (total, updated, available) == (wanted,) * 3:
        return Judgement("complete", f"{counted(wanted, 'pod')} ready")
    if condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        seconds = spec.get("progressDeadlineSeconds", 600)
        return Judgement("failed", f"not rolled out within {seconds} s", failures)
    if spec.get("paused"):
        return Judgement("paused", "paused by somebody (spec.paused)", failures)
    if updated < wanted:
        message = f"{updated} of {counted(wanted, 'pod')} updated"
    elif total > updated:
        message = f"{counted(total - updated, 'old pod')} still there"
    else:
        message = f"{available} of {counted(wanted, 'pod')} ready"
    return Judgement("progressing", message, failures)


def judge_rollout(body: Body, analysis_runs: Sequence[Body] = ()) -> Judgement:
    """Judge a Rollout (argoproj.io/v1alpha1) and the AnalysisRuns of its newest pods.

    Complete: the controller calls it Healthy, and the stable pods are those of the newest template.
    Pods of the old one may be kept a while (scaleDownDelaySeconds), and get no requests.
    """
    status, spec = body.get("status") or {}, body["spec"]
    reasons = tuple(_analyses(body, analysis_runs))
    if not _is_observed(body):
        return Judgement("progressing", "the cluster has not acted on the change yet")
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return Judgement("progressing", "resumes after a pause", reasons)
    phase, said = status.get("phase", ""), status.get("message", "")
    current, stable = status.get("currentPodHash", ""), status.get("stableRS", "")
    if status.get("abort"):
        # Its step is the first again.
        message = f"aborted: {said or 'the controller does not say why'}"
        return Judgement("failed", message, reasons, is_aborted=True)
    if phase == "Degraded":
        return Judgement("failed", said or "degraded", reasons)
    if phase == "Healthy" and current and stable == current:
        return Judgement("complete", f"{counted(status.get('availableReplicas', 0), 'pod')} ready")
    if phase == "Paused" or spec.get("paused") or status.get("pauseConditions"):
        return Judgement("paused", f"paused{_step(body)}: {_pause(body)}", reasons)
    if not phase:
        return Judgement("progressing", "Argo's controller has not reported on it yet", reasons)
    return Judgement("progressing", f"{said or 'rolling out'}{_step(body)}", reasons)


def condition(status: Body, kind: str) -> Body:
    """The condition of a kind in a status; empty if it has none."""
    found = (c for c in status.get("conditions") or () if c["type"] == kind)
    return next(found, {})


def _is_observed(body: Body) -> bool:
    """Whether the controller has seen the spec. A Rollout writes the generation as a text."""
    status = body.get("status") or {}
    seen = str(status.get("observedGeneration", ""))
    if seen.isdigit() and int(seen) < body["metadata"].get("generation", 0):
        return False
    annotations = body["metadata"].get("annotations") or {}
    wanted = annotations.get("rollout.argoproj.io/workload-generation")
    return wanted is None or status.get("workloadObservedGeneration", wanted) == wanted


def _step(body: Body) -> str:
    """The step of a canary, as ` at step 2 of 5 (20%)`; empty without steps, or after the last."""
    steps = (body["spec"].get("strategy") or {}).get("canary", {}).get("steps") or []
    index = (body.get("status") or {}).get("currentStepIndex")
    if index is None or index >= len(steps):
        return ""
    weights = [step["setWeight"] for step in steps[: index + 1] if "setWeight" in step]
    weight = f" ({weights[-1]}%)" if weights else ""
    return f" at step {index + 1} of {len(steps)}{weight}"


_PAUSES = {
    "CanaryPauseStep": "a step of the canary",
    "BlueGreenPause": "waits before the switch",
    "InconclusiveAnalysisRun": "an analysis is inconclusive, somebody has to decide",
    "PausedWorkloadRef": "the Deployment that it refers to is paused",
}


def _pause(body: Body) -> str:
    status, name = body.get("status") or {}, body["metadata"].get("name", "")
    if body["spec"].get("paused"):
        return "by somebody (spec.paused)"
    for pause in status.get("pauseConditions") or ():
        reason = pause.get("reason", "")
        words = str(_PAUSES.get(reason, reason))
        if _ends_by_itself(body) and reason == "CanaryPauseStep":
            return words
        return f"{words}; to go on: kubectl argo rollouts promote {name}"
    return str(status.get("message", "")) or "the controller does not say why"


def _ends_by_itself(body: Body) -> bool:
    """Whether the step of now is a pause with a duration."""
    steps = (body["spec"].get("strategy") or {}).get("canary", {}).get("steps") or []
    index = (body.get("status") or {}).get("currentStepIndex") or 0
    pause: Any = steps[index].get("pause") if index < len(steps) else None
    return bool(pause and pause.get("duration"))


def _analyses(body: Body, runs: Sequence[Body]) -> Iterator[str]:
    """What analyses of the newest pods found, but for those that succeeded."""
    current = (body.get("status") or {}).get("currentPodHash", "")
    for run in runs:
        metadata, status = run["metadata"], run.get("status") or {}
        if (metadata.get("labels") or {}).get(POD_HASH) != current:
            continue
        phase = status.get("phase", "Pending")
        if phase == "Successful":
            continue
        said = [_metric(metric) for metric in status.get("metricResults") or ()
                if metric.get("phase") != "Successful"]  # fmt: skip
        words = [each for each in (status.get("message", ""), *said) if each]
        yield f"analysis {metadata['name']}: {phase}{': ' if words else ''}{'; '.join(words)}"


def _metric(metric: Body) -> str:
    measurements = metric.get("measurements") or [{}]
    last = measurements[-1]
    value = f" = {last['value']}" if last.get("value") else ""
    counts = [
        f"{metric[key]} {key}" for key in ("failed", "error", "inconclusive") if metric.get(key)
    ]
    count = f" ({', '.join(counts)} of {metric.get('count', len(measurements))})" if counts else ""
    said = metric.get("message") or last.get("message") or ""
    return f"{metric['name']}{value}{count}{': ' if said else ''}{said}"
