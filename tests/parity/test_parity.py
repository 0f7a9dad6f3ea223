"""`pulumi up` declares exactly what `render` writes: the same objects with the same fields."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servestack.project import environment_names
from servestack.render.tree import read_tree, write_tree
from servestack.review.gate import build_checked
from tests.support.projects import PROJECTS, REPOSITORY

CASES = [
    pytest.param(root, environment, id=f"{root.name}-{environment}")
    for root in PROJECTS
    for environment in environment_names(root)
]


def declared(root: Path, environment: str) -> list[dict[str, Any]]:
    """What the Pulumi program registers, in a process of its own."""
    run = subprocess.run(
        [sys.executable, REPOSITORY / "tests/parity/capture.py", environment, root],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    registered: list[dict[str, Any]] = json.loads(run.stdout)
    return registered


def objects(registered: list[dict[str, Any]]) -> dict[str, Any]:
    """Name → inputs of the Kubernetes objects among the resources."""
    return {
        resource["name"]: resource["inputs"]
        for resource in registered
        if resource["type"].startswith("kubernetes:")
    }


def rendered(root: Path, environment: str, folder: Path) -> dict[str, Any]:
    """The same from files, through YAML and back."""
    write_tree(folder, build_checked(root, environment).manifests)
    return {manifest.path.removesuffix(".yaml"): manifest.body for manifest in read_tree(folder)}


@pytest.mark.parametrize(("root", "environment"), CASES)
def test_pulumi_declares_what_is_rendered(root: Path, environment: str, tmp_path: Path) -> None:
    wanted = rendered(root, environment, tmp_path)
    registered = declared(root, environment)
    assert objects(registered) == wanted
    assert len(wanted) > 5


@pytest.mark.parametrize(("root", "environment"), CASES[:1])
def test_one_changed_field_breaks_parity(root: Path, environment: str, tmp_path: Path) -> None:
    wanted = rendered(root, environment, tmp_path)
    name = next(name for name in wanted if "/deployment-" in name)
    wanted[name]["spec"]["minReadySeconds"] += 1
    assert objects(declared(root, environment)) != wanted


def test_every_model_is_a_component_with_a_child_for_each_concern() -> None:
    registered = declared(REPOSITORY, "prod")
    types = {resource["type"] for resource in registered}
    concerns = {"Workload", "Network", "Autoscaling", "LogShipping", "Monitoring", "Access"}
    assert {f"servestack:index:{concern}" for concern in concerns} <= types
    models = [r["name"] for r in registered if r["type"] == "servestack:index:ModelService"]
    assert "iris" in models
