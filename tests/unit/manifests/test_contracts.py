"""What must hold of every object that is built."""

from __future__ import annotations

import importlib
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import ENVIRONMENT_BUILDERS, SERVICE_BUILDERS, dotted_name
from servestack.project import environment_names
from servestack.review.gate import build_checked
from servestack.review.validate import validate
from tests.support.projects import PROJECTS, REPOSITORY
from tests.support.services import resolved

MANIFESTS = [
    pytest.param(manifest, id=f"{root.name}-{environment}-{manifest.path}")
    for root in PROJECTS
    for environment in environment_names(root)
    for manifest in build_checked(root, environment).manifests
]


def plain(value: Any) -> bool:
    """Only what YAML, JSON and Pulumi all write alike."""
    if isinstance(value, dict):
        return all(type(key) is str and plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return type(value) in (str, int, float, bool)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_object(manifest: Any) -> None:
    assert plain(manifest.body)
    assert validate(manifest.body) == []
    module, _, function = manifest.builder.rpartition(".")
    assert hasattr(importlib.import_module(module), function)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_the_builder_is_one_step_from_the_file_name(manifest: Any) -> None:
    """`horizontalpodautoscaler-iris.yaml` → grep `def build_horizontal_pod_autoscaler`."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", manifest.kind.replace("HTTP", "Http")).lower()
    assert manifest.builder.rpartition(".")[2].endswith(kind)


def test_every_kind_has_one_builder_and_every_builder_is_read_by_name() -> None:
    names = [dotted_name(build) for _, build in ENVIRONMENT_BUILDERS]
    names += [dotted_name(build) for _, build in SERVICE_BUILDERS]
    assert len(set(names)) == len(names)


def test_the_builders_of_a_concern_are_adjacent() -> None:
    """Pulumi's components have a child for each run of a concern."""
    concerns = [concern for concern, _ in groupby(concern for concern, _ in SERVICE_BUILDERS)]
    assert len(set(concerns)) == len(concerns)


def test_with_an_autoscaler_no_replicas_are_written(tmp_path: Path) -> None:
    from servestack.manifests.workload import pod_count, workload_metadata

    scaled = resolved(tmp_path / "a", {"replicas": 4, "autoscaling": {"max": 8}})
    assert pod_count(scaled) == {}
    assert workload_metadata(scaled)["annotations"]["servestack.dev/requested-replicas"] == "4"
    assert pod_count(resolved(tmp_path / "b", {"replicas": 4})) == {"replicas": 4}
    assert pod_count(resolved(tmp_path / "c", {"replicas": 0})) == {"replicas": 0}


def test_a_new_version_changes_the_pod_template_alone(tmp_path: Path) -> None:
    from servestack.manifests.assemble import build_service_manifests

    old = build_service_manifests(resolved(tmp_path / "a"))
    new = build_service_manifests(
        resolved(tmp_path / "a", artifact={"version": "4", "sha256": "cd" * 32, "source": "s3://b"})
    )
    changed = [a.path for a, b in zip(old, new, strict=True) if a.body != b.body]
    assert changed == ["iris/deployment-iris.yaml"]
    before, after = (m.body for m in (*old, *new) if m.kind == "Deployment")
    before["spec"].pop("template")
    after["spec"].pop("template")
    assert before == after


def test_a_changed_setting_restarts_the_pods(tmp_path: Path) -> None:
    from servestack.manifests.workload import pod_template

    digest = "servestack.dev/config-sha256"
    digests = {
        pod_template(resolved(tmp_path / str(number), spec, environment))["metadata"][
            "annotations"
        ][digest]
        for number, (spec, environment) in enumerate(
            [
                ({}, {}),
                ({"api": {"limits": {"maxRows": 99}}}, {}),
                ({}, {"kafka": {"topicPrefix": "other"}}),
            ]
        )
    }
    assert len(digests) == 3


def test_sizes_and_the_tolerance_reach_the_server(tmp_path: Path) -> None:
    from servestack.manifests.server_settings import server_settings

    spec = {"runtime": "onnx", "onnxTolerance": 0.001, "api": {"limits": {"maxBuffered": "8Mi"}}}
    given = server_settings(resolved(tmp_path / "a", spec))
    assert (given.onnx_tolerance, given.limits.max_buffered_bytes) == (0.001, 8 << 20)
    plain = server_settings(resolved(tmp_path / "b"))
    assert (plain.onnx_tolerance, plain.limits.max_buffered_bytes) == (None, None)


def test_protocols_and_unknown_columns_reach_the_server(tmp_path: Path) -> None:
    """Also for columns of a signature. Nothing is written for services that have neither."""
    from servestack.manifests.server_settings import server_settings, settings_text

    spec = {"api": {"protocols": ["seldon"], "input": {"unknownColumns": "ignore"}}}
    given = server_settings(resolved(tmp_path / "a", spec))
    assert given.input.columns
    assert (given.protocols, given.input.unknown_columns) == (("seldon",), "ignore")
    plain = settings_text(server_settings(resolved(tmp_path / "b")))
    assert "protocols" not in plain
    assert "unknownColumns" not in plain


def test_the_plain_case_is_a_dozen_lines() -> None:
    """4 replicas asked for, 500m and 300Mi, port 8000, 3 to 10 pods at 50% CPU."""
    root = REPOSITORY / "examples/plain"
    lines = (root / "models/iris.yaml").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) <= 12
    by_kind = {
        m.kind: m.body for m in build_checked(root, "dev").manifests if m.kind != "ConfigMap"
    }
    scaler = by_kind["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    assert scaler["metrics"][0]["containerResource"]["target"]["averageUtilization"] == 50
    server = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert server["resources"]["requests"]["cpu"] == "500m"
    assert server["resources"]["requests"]["memory"] == "300Mi"
    assert by_kind["Service"]["spec"]["ports"][0]["port"] == 8000
