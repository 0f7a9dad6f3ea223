"""Rollouts of Argo Rollouts: what takes a Deployment's place, and what a word in the spec does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import build_service_manifests
from servestack.review.validate import validate
from tests.support.services import resolved

ROLLOUTS = {"engine": "argo", "prometheusAddress": "http://prometheus.monitoring:9090/"}
ARGO = {"rollouts": ROLLOUTS}
ROUTED = {"rollouts": ROLLOUTS | {"router": "nginx"}}


def bodies(folder: Path, rollout: Any, environment: Any = ROUTED, **spec: Any) -> dict[str, Any]:
    """The objects of a model by `Kind/name`; each fits its schema."""
    service = resolved(folder, {"rollout": rollout, **spec}, environment)
    found = {f"{m.kind}/{m.name}": m.body for m in build_service_manifests(service)}
    assert [fault for body in found.values() for fault in validate(body)] == []
    return found


def steps_of(found: dict[str, Any]) -> list[Any]:
    steps: list[Any] = found["Rollout/iris"]["spec"]["strategy"]["canary"]["steps"]
    return steps


def test_one_word_makes_a_canary_with_all_that_it_needs(tmp_path: Path) -> None:
    found = bodies(tmp_path, {"strategy": "canary"})
    assert "Deployment/iris" not in found
    rolling = bodies(tmp_path / "rolling", {"strategy": "rolling"})
    pods = found["Rollout/iris"]["spec"]["template"]["spec"]
    of_deployment = rolling["Deployment/iris"]["spec"]["template"]["spec"]
    # A canary's pods read which side they are on; all else is the same.
    assert {key: pods[key] for key in pods if key not in ("containers", "volumes")} == {
        key: of_deployment[key] for key in of_deployment if key not in ("containers", "volumes")
    }
    canary = found["Rollout/iris"]["spec"]["strategy"]["canary"]
    assert canary["trafficRouting"] == {"nginx": {"stableIngress": "iris"}}
    assert (canary["stableService"], canary["canaryService"]) == ("iris-stable", "iris-canary")
    assert [s["setWeight"] for s in canary["steps"] if "setWeight" in s] == [5, 25, 50, 100]
    target = found["HorizontalPodAutoscaler/iris"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["apiVersion"]) == ("Rollout", "argoproj.io/v1alpha1")
    assert "PodDisruptionBudget/iris" in found
    assert {"AnalysisTemplate/iris-checks", "AnalysisTemplate/iris-requests"} <= found.keys()
    (path, *_) = found["Ingress/iris"]["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["name"] == "iris-stable"


def test_the_engine_owns_the_selectors_of_both_sides(tmp_path: Path) -> None:
    found = bodies(tmp_path, {"strategy": "canary"})
    for name in ("iris-stable", "iris-canary"):
        assert "selector" not in found[f"Service/{name}"]["spec"]
    inside = found["Service/iris"]["spec"]["selector"]
    assert inside["servestack.dev/variant"] == "stable"


def test_without_a_router_a_share_is_a_share_of_the_pods(tmp_path: Path) -> None:
    for folder, environment, spec in (
        (tmp_path / "no-router", ARGO, {}),
        (tmp_path / "inside", ROUTED, {"ingress": {"enabled": False}}),
    ):
        found = bodies(folder, {"strategy": "canary"}, environment, **spec)
        canary = found["Rollout/iris"]["spec"]["strategy"]["canary"]
        assert not {"trafficRouting", "stableService", "canaryService"} & canary.keys()
        assert "Service/iris-stable" not in found
        assert "servestack.dev/variant" not in found["Service/iris"]["spec"]["selector"]


def test_steps_have_times_and_wait_for_requests_of_all_steps_together(tmp_path: Path) -> None:
    steps = [{"weight": 5, "minutes": 0.5}, {"weight": 20, "requests": 1000}, 50, 100]
    found = bodies(tmp_path, {"strategy": "canary", "steps": steps, "bakeMinutes": 2})
    asked = {"templates": [{"templateName": "iris-requests"}]}
    version = {"name": "version", "value": "3"}
    assert steps_of(found) == [
        {"setWeight": 5}, {"pause": {"duration": "30s"}},
        {"analysis": asked | {"args": [version, {"name": "requests", "value": "100"}]}},
        {"setWeight": 20}, {"pause": {"duration": "300s"}},
        {"analysis": asked | {"args": [version, {"name": "requests", "value": "1000"}]}},
        {"setWeight": 50}, {"pause": {"duration": "300s"}},
        {"setWeight": 100}, {"pause": {"duration": "120s"}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("slo", "checks", "names"),
    [
        (
            {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}},
            {},
            ["more-errors-than-stable-now", "slower-than-stable-now",
             "more-errors-than-stable", "slower-than-stable"],
        ),
        (
            {"availability": 99}, {},
            ["more-errors-than-stable-now", "slower-than-stable", "more-errors-than-stable"],
        ),
        ({"availability": 99}, {"errors": False}, ["slower-than-stable"]),
    ],
)  # fmt: skip
def test_the_objectives_are_what_a_version_is_held_against(
    tmp_path: Path, slo: Any, checks: Any, names: list[str]
) -> None:
    rollout = {"strategy": "canary", "checks": checks}
    found = bodies(tmp_path, rollout, monitoring={"slo": slo})
    metrics = found["AnalysisTemplate/iris-checks"]["spec"]["metrics"]
    assert [metric["name"] for metric in metrics] == names
    for metric in metrics:
        address = metric["provider"]["prometheus"]["address"]
        assert address == "http://prometheus.monitoring:9090"
        assert "count" not in metric


def test_without_checks_nothing_ends_a_canary_but_its_pods(tmp_path: Path) -> None:
    checks = {"errors": False, "latency": False}
    found = bodies(tmp_path, {"strategy": "canary", "checks": checks})
    assert "AnalysisTemplate/iris-checks" not in found
    assert "analysis" not in found["Rollout/iris"]["spec"]["strategy"]["canary"]
    assert found["Rollout/iris"]["spec"]["progressDeadlineAbort"] is True


def test_blue_green_switches_at_once_and_checks_while_the_old_pods_stay(tmp_path: Path) -> None:
    found = bodies(tmp_path, {"strategy": "blueGreen", "bakeMinutes": 5}, ARGO)
    strategy = found["Rollout/iris"]["spec"]["strategy"]["blueGreen"]
    assert (strategy["activeService"], strategy["previewService"]) == ("iris-stable", "iris-canary")
    assert strategy["postPromotionAnalysis"] == {
        "templates": [{"templateName": "iris-checks"}],
        "args": [{"name": "version", "value": "3"}],
    }
    metrics = found["AnalysisTemplate/iris-checks"]["spec"]["metrics"]
    assert {metric["count"] for metric in metrics} == {30}
    assert "AnalysisTemplate/iris-requests" not in found
    unchecked = bodies(tmp_path / "unchecked", {"strategy": "blueGreen", "bakeMinutes": 0}, ARGO)
    strategy = unchecked["Rollout/iris"]["spec"]["strategy"]["blueGreen"]
    assert strategy["scaleDownDelaySeconds"] == 30
    assert "postPromotionAnalysis" not in strategy


def test_a_patch_of_a_container_keeps_the_others(tmp_path: Path) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "server", "tty": True}]}}}}
    patches = [{"kind": "Rollout", "patch": patch}]
    found = bodies(tmp_path, {"strategy": "canary"}, patches=patches)
    (server,) = found["Rollout/iris"]["spec"]["template"]["spec"]["containers"]
    assert server["tty"] is True
    assert server["image"]
