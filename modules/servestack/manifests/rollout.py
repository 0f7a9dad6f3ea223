"""Argo Rollouts: the Rollout in place of a Deployment, and what ends it.

Source of the fields: argoproj/argo-rollouts v1.9, docs/features/specification.md and
docs/features/analysis.md.
"""

from __future__ import annotations

from servestack.manifests import names
from servestack.manifests.analysis import (
    CHECK_SECONDS,
    VERSION,
    checks,
    enough_requests,
    version_argument,
)
from servestack.manifests.manifest import Body
from servestack.manifests.workload import REVISIONS, pod_count, pod_template, workload_metadata
from servestack.resolve.resolved import ResolvedService
from servestack.spec.rollout import Step

API_VERSION = "argoproj.io/v1alpha1"
STEP_MINUTES = 5
"""Time at a share that the spec gives no time."""
_REQUESTS = "requests"
"""Argument of the AnalysisTemplate that waits for requests."""


def build_rollout(service: ResolvedService) -> Body | None:
    """The Rollout, with the pods that a Deployment would have; None if a Deployment has them."""
    if service.rollouts is None:
        return None
    rollout = service.spec.rollout
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": workload_metadata(service),
        "spec": {
            **pod_count(service),
            "minReadySeconds": rollout.min_ready_seconds,
            "progressDeadlineSeconds": rollout.progress_deadline_seconds,
            # A version that never gets ready is given up. Otherwise its pods would stay for ever.
            "progressDeadlineAbort": True,
            "revisionHistoryLimit": REVISIONS,
            "strategy": _canary(service) if rollout.strategy == "canary" else _blue_green(service),
            "selector": {"matchLabels": names.selector(service)},
            "template": pod_template(service),
        },
    }


def _canary(service: ResolvedService) -> Body:
    rollout, rollouts = service.spec.rollout, service.rollouts
    strategy: Body = {
        "maxSurge": rollout.max_surge,
        "maxUnavailable": rollout.max_unavailable,
        # The pods' label, from which metrics and events take their variant.
        "stableMetadata": {"labels": {names.VARIANT_LABEL: "stable"}},
        "canaryMetadata": {"labels": {names.VARIANT_LABEL: "canary"}},
        "steps": _steps(service),
    }
    if service.has_two_sides and rollouts is not None:
        strategy |= {
            "stableService": names.stable_service_name(service),
            "canaryService": names.canary_service_name(service),
            "trafficRouting": {"nginx": {"stableIngress": service.name}},
        }
    if checks(service):
        # From the first share on, when the new pods are ready.
        strategy["analysis"] = {"startingStep": 1, **_checks_run(service)}
    return {"canary": strategy}


def _blue_green(service: ResolvedService) -> Body:
    rollout = service.spec.rollout
    bake_seconds = _seconds(rollout.bake_minutes)
    strategy: Body = {
        "activeService": names.stable_service_name(service),
        "previewService": names.canary_service_name(service),
        "activeMetadata": {"labels": {names.VARIANT_LABEL: "stable"}},
        "previewMetadata": {"labels": {names.VARIANT_LABEL: "canary"}},
        "autoPromotionEnabled": True,
        "maxUnavailable": rollout.max_unavailable,
    }
    if checks(service) and bake_seconds:
        strategy["postPromotionAnalysis"] = _checks_run(service)
    else:
        # Without checks there is no analysis that would keep the old pods for the way back.
        strategy["scaleDownDelaySeconds"] = max(bake_seconds, _SWITCH_SECONDS)
    return {"blueGreen": strategy}


_SWITCH_SECONDS = 30
"""Time for proxies to learn of the new pods before the old ones go; Argo Rollouts' own default."""


def _steps(service: ResolvedService) -> list[Body]:
    """Each share: set it, keep it, and wait until enough requests were answered."""
    rollout, asked = service.spec.rollout, 0
    steps: list[Body] = []
    for step in rollout.all_steps:
        is_last = step.weight == 100
        minutes = rollout.bake_minutes if is_last else step.minutes
        seconds = _seconds(STEP_MINUTES if minutes is None else minutes)
        steps.append({"setWeight": step.weight})
        if seconds:
            steps.append({"pause": {"duration": f"{seconds}s"}})
        needed = _requests(service, step)
        # Of all steps together: a share that follows one with more requests needs no further ones.
        if needed > asked:
            steps.append(_wait_for_requests(service, needed))
            asked = needed
    return steps


def _requests(service: ResolvedService, step: Step) -> int:
    least = service.spec.rollout.checks.minimum_requests
    return least if step.requests is None else step.requests


def _wait_for_requests(service: ResolvedService, count: int) -> Body:
    return {
        "analysis": {
            "templates": [_template(names.requests_template_name(service))],
            "args": [*version_argument(service), {"name": _REQUESTS, "value": str(count)}],
        }
    }


def _template(name: str) -> Body:
    return {"templateName": name}


def _checks_run(service: ResolvedService) -> Body:
    return {
        "templates": [_template(names.checks_template_name(service))],
        "args": version_argument(service),
    }


def _seconds(minutes: float) -> int:
    return round(minutes * 60)


def build_checks_analysis_template(service: ResolvedService) -> Body | None:
    """The AnalysisTemplate that ends a rollout to a worse version; None without checks."""
    rollout = service.spec.rollout
    metrics = checks(service) if service.rollouts is not None else []
    if not metrics:
        return None
    if rollout.strategy == "blueGreen":
        # As long as all requests go to the new version and the old pods are kept. A canary's checks
        # run until its last step.
        count = -(-_seconds(rollout.bake_minutes) // CHECK_SECONDS)
        if not count:
            return None
        metrics = [metric | {"count": count} for metric in metrics]
    return {
        "apiVersion": API_VERSION,
        "kind": "AnalysisTemplate",
        "metadata": names.metadata(service, names.checks_template_name(service)),
        "spec": {"args": [{"name": VERSION}], "metrics": metrics},
    }


def build_requests_analysis_template(service: ResolvedService) -> Body | None:
    """The AnalysisTemplate with which a canary waits for requests; None without a canary."""
    if service.rollouts is None or service.spec.rollout.strategy != "canary":
        return None
    return {
        "apiVersion": API_VERSION,
        "kind": "AnalysisTemplate",
        "metadata": names.metadata(service, names.requests_template_name(service)),
        "spec": {
            "args": [{"name": VERSION}, {"name": _REQUESTS}],
            "metrics": [enough_requests(service)],
        },
    }
