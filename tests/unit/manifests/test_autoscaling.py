"""Who scales a model, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.autoscaling import (
    WINDOW_SECONDS,
    build_horizontal_pod_autoscaler,
    build_scaled_object,
    in_flight_query,
)
from servestack.manifests.monitoring import build_pod_monitor
from servestack.manifests.workload import pod_count
from servestack.review.summary import review
from servestack_contract.metrics import IN_FLIGHT_SECONDS
from tests.support.services import NULL, resolved

Data = dict[str, Any]
KEDA: Data = {"customMetrics": "keda", "keda": {"serverAddress": "http://prometheus:9090/"}}
IN_FLIGHT: Data = {"autoscaling": {"min": 2, "max": 9, "inFlightPerPod": 8}}


def scaled_object(folder: Path, spec: Data = IN_FLIGHT, metrics: Data = KEDA) -> Data:
    body = build_scaled_object(resolved(folder, spec, {"metrics": metrics}))
    assert body is not None
    found: Data = body["spec"]
    return found


def test_keda_replaces_the_autoscaler_with_the_same_bounds_and_behavior(tmp_path: Path) -> None:
    by_keda = resolved(tmp_path / "keda", IN_FLIGHT, {"metrics": KEDA})
    adapter = {"metrics": {"customMetrics": "prometheus-adapter"}}
    by_adapter = resolved(tmp_path / "adapter", IN_FLIGHT, adapter)
    assert build_horizontal_pod_autoscaler(by_keda) is None
    assert build_scaled_object(by_adapter) is None
    mine, other = scaled_object(tmp_path / "again"), build_horizontal_pod_autoscaler(by_adapter)
    assert other is not None
    assert (mine["minReplicaCount"], mine["maxReplicaCount"]) == (2, 9)
    assert mine["scaleTargetRef"] == other["spec"]["scaleTargetRef"]
    config = mine["advanced"]["horizontalPodAutoscalerConfig"]
    assert config == {"behavior": other["spec"]["behavior"]}
    assert pod_count(by_keda) == {}


def test_triggers(tmp_path: Path) -> None:
    in_flight, cpu = scaled_object(tmp_path)["triggers"]
    assert in_flight["metadata"] == {
        "serverAddress": "http://prometheus:9090",
        "query": "sum(rate(servestack_requests_in_flight_seconds_total"
        '{environment="prod",model_service="iris"}[30s]))',
        "threshold": "8",
        "ignoreNullValues": "false",
    }
    assert in_flight["metricType"] == "AverageValue"
    assert cpu["metadata"] == {"value": "70", "containerName": "server"}


def test_without_cpu_there_is_one_trigger(tmp_path: Path) -> None:
    spec = {"autoscaling": {"cpuPercent": NULL, "inFlightPerPod": 8}}
    assert [trigger["type"] for trigger in scaled_object(tmp_path, spec)["triggers"]] == [
        "prometheus"
    ]


def test_credentials_are_referred_to(tmp_path: Path) -> None:
    authentication = {"name": "thanos", "kind": "ClusterTriggerAuthentication"}
    keda = KEDA["keda"] | {"tenantNamespace": "ml", "authentication": authentication}
    trigger = scaled_object(tmp_path, metrics=KEDA | {"keda": keda})["triggers"][0]
    assert trigger["authenticationRef"] == authentication
    assert trigger["metadata"]["authModes"] == "bearer"
    assert trigger["metadata"]["namespace"] == "ml"


def test_a_model_that_scales_by_cpu_alone_needs_no_keda(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"autoscaling": {"min": 2, "max": 4}}, {"metrics": KEDA})
    assert build_scaled_object(service) is None
    assert build_horizontal_pod_autoscaler(service) is not None


def test_a_fixed_count_has_no_autoscaler(tmp_path: Path) -> None:
    kinds = {
        manifest.kind
        for manifest in build_service_manifests(
            resolved(tmp_path, {"replicas": 3}, {"metrics": KEDA})
        )
    }
    assert not kinds & {"HorizontalPodAutoscaler", "ScaledObject"}


def test_nothing_is_written_that_keda_would_drop(tmp_path: Path) -> None:
    """KEDA writes the object back without fields that are false, zero or empty."""
    body = scaled_object(tmp_path)
    kept = body["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]
    assert kept.pop("stabilizationWindowSeconds") == 0  # A pointer in Go: its zero is written.
    pending: list[Any] = [body]
    while pending:
        here = pending.pop()
        assert here not in (False, 0, "", None)
        pending += (
            here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        )


@pytest.mark.parametrize(
    ("style", "spec", "interval", "window"),
    [
        ("operator", {}, "5s", "[30s]"),
        ("operator", {"monitoring": {"scrapeIntervalSeconds": 30}}, "30s", "[120s]"),
        ("annotations", {}, None, "[60s]"),
        ("annotations", {"monitoring": {"scrapeIntervalSeconds": 5}}, None, "[30s]"),
    ],
)
def test_the_window_holds_several_scrapes(
    tmp_path: Path, style: str, spec: Data, interval: str | None, window: str
) -> None:
    environment = {"metrics": KEDA, "prometheus": {"style": style}}
    service = resolved(tmp_path, IN_FLIGHT | spec, environment)
    monitor = build_pod_monitor(service)
    found = monitor["spec"]["podMetricsEndpoints"][0]["interval"] if monitor else None
    assert (found, window in in_flight_query(service)) == (interval, True)


def test_models_that_do_not_scale_on_it_are_scraped_as_before(tmp_path: Path) -> None:
    monitor = build_pod_monitor(resolved(tmp_path, IN_FLIGHT))
    assert monitor is not None
    assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"


def test_a_change_of_the_engine_is_told(tmp_path: Path) -> None:
    adapter = {"metrics": {"customMetrics": "prometheus-adapter"}}
    old = build_service_manifests(resolved(tmp_path / "old", IN_FLIGHT, adapter))
    new = build_service_manifests(resolved(tmp_path / "new", IN_FLIGHT, {"metrics": KEDA}))
    for before, after, first in ((old, new, "ScaledObject"), (new, old, "HorizontalPodAutoscaler")):
        told = "; ".join(
            effect for group in review("prod", "", before, after).groups for effect in group.effects
        )
        assert f"{first} takes over from " in told
        assert "no pod is added or removed until the old one is deleted" in told
        assert "an apply drops" not in told


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("min", 3, "minimum capacity 2→3"),
        ("max", 12, "maximum capacity 9→12"),
        ("inFlightPerPod", 4, "scales at requests per pod 8→4"),
        ("cpuPercent", 50, "scales at CPU percent 70→50"),
    ],
)
def test_changed_bounds_are_told(tmp_path: Path, field: str, value: int, words: str) -> None:
    environment = {"metrics": KEDA}
    after = {"autoscaling": IN_FLIGHT["autoscaling"] | {field: value}}
    old = build_service_manifests(resolved(tmp_path / "old", IN_FLIGHT, environment))
    new = build_service_manifests(resolved(tmp_path / "new", after, environment))
    (group,) = review("prod", "", old, new).groups
    assert words in group.effects


def test_the_adapters_rule_is_the_same_in_both_files() -> None:
    folder = Path(__file__).parents[3] / "monitoring/adapter"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    values = yaml.safe_load((folder / "values.yaml").read_text())
    assert values["rules"]["custom"] == config["rules"]
    (rule,) = config["rules"]
    assert IN_FLIGHT_SECONDS.name in rule["seriesQuery"]
    assert f"[{WINDOW_SECONDS}s]" in rule["metricsQuery"]
