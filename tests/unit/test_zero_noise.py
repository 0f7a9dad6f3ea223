"""The same spec, lock and environment give the same bytes, whatever else differs."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servestack.project import environment_names
from servestack.render.tree import check_tree, to_stream, to_texts
from servestack.review.gate import build_checked
from tests.support.projects import PROJECTS, REPOSITORY

CASES = [
    pytest.param(root, environment, id=f"{root.name}-{environment}")
    for root in PROJECTS
    for environment in environment_names(root)
]


@pytest.mark.parametrize(("root", "environment"), CASES)
def test_what_is_committed_is_what_is_rendered(root: Path, environment: str) -> None:
    manifests = build_checked(root, environment).manifests
    assert check_tree(root / "rendered" / environment, manifests) == ()


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_hash_seed_locale_and_time_zone(seed: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("servestack"), "render", "prod", "--stdout"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
        env=os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"},
    )  # fmt: skip
    assert done.stdout == "".join(to_stream(to_texts(build_checked(REPOSITORY, "prod").manifests)))


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same data with its keys in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, chance)) for key, inner in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    return value


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), style=st.sampled_from([None, True, False]))
def test_key_order_comments_and_yaml_style(tmp_path: Path, seed: int, style: bool | None) -> None:
    chance = random.Random(seed)
    root = tmp_path / str(seed)
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("models", "stacks"):
        shutil.copytree(REPOSITORY / "examples/complete" / folder, root / folder)
    for file in (root / "models/churn.yaml", root / "stacks/prod.yaml"):
        data = shuffled(yaml.safe_load(file.read_text()), chance)
        text = yaml.safe_dump(data, sort_keys=False, default_flow_style=style)
        file.write_text(f"# a comment\n\n{text}\n# another\n")
    before = "".join(
        to_stream(to_texts(build_checked(REPOSITORY / "examples/complete", "prod").manifests))
    )
    assert "".join(to_stream(to_texts(build_checked(root, "prod").manifests))) == before


def test_file_order_and_folders(tmp_path: Path) -> None:
    """Where a spec's file stands shows in the header alone."""
    source = REPOSITORY / "examples/several"
    shutil.copytree(source / "stacks", tmp_path / "stacks")
    (tmp_path / "models/team/deeper").mkdir(parents=True)
    for number, file in enumerate(sorted((source / "models").glob("*.yaml"), reverse=True)):
        shutil.copy(file, tmp_path / f"models/team/deeper/{number}-{file.name}")
    moved = build_checked(tmp_path, "staging").manifests
    stayed = build_checked(source, "staging").manifests
    assert [manifest.body for manifest in moved] == [manifest.body for manifest in stayed]
