"""What follows from an experiment's section: its variants, and what the server logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servestack.manifests.server_settings import server_settings
from servestack.spec.experiment_rules import Arm, arms_of
from servestack.spec.model_service import ModelService
from servestack_contract import settings
from tests.support.services import load_spec, resolved

CLICKED = {"metric": "feedback.clicked", "minimumEffect": 0.02}
SPLIT: dict[str, Any] = {
    "artifact": None,
    "models": [{"name": name, "artifact": f"models:/{name}/1"} for name in ("a", "b", "c")],
    "graph": {
        "kind": "chain",
        "steps": ["c", {
            "kind": "split", "stickyBy": "X-User",
            "branches": [{"node": "a", "weight": 90}, {"node": "b", "weight": 10, "name": "new"}],
        }],
    },
}  # fmt: skip


def spec_of(folder: Path, **fields: Any) -> ModelService:
    return load_spec(folder, **fields).value


def test_the_variants_are_the_branches_of_the_split(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, **SPLIT, experiment=CLICKED)
    assert arms_of(spec) == (Arm("a", 90, "iris", "a"), Arm("new", 10, "iris", "new"))
    spec = spec_of(tmp_path, **SPLIT, experiment=CLICKED | {"control": "new"})
    assert [arm.name for arm in arms_of(spec)] == ["new", "a"]
    assert spec.unit_key == "X-User"
    assert spec_of(tmp_path, **SPLIT).unit_key is None, "nobody asks for it"


def test_the_variants_may_be_services_and_versions(tmp_path: Path) -> None:
    variants = {
        "old": {"share": 80.5, "version": "3", "rollout": "stable"},
        "new": {"share": 19.5, "service": "iris-next"},
    }
    spec = spec_of(tmp_path, experiment=CLICKED | {"variants": variants, "stickyBy": "user"})
    assert arms_of(spec) == (
        Arm("old", 80.5, "iris", version="3", rollout="stable"), Arm("new", 19.5, "iris-next"),
    )  # fmt: skip
    assert spec.unit_key == "user"


def test_the_server_is_told_of_names_and_of_the_unit_and_of_nothing_else(tmp_path: Path) -> None:
    before = server_settings(resolved(tmp_path, SPLIT))
    after = server_settings(resolved(tmp_path, SPLIT | {"experiment": CLICKED}))
    assert isinstance(after.graph, settings.Chain)
    (split,) = settings.splits_of(after.graph)
    assert [branch.name for branch in split.branches] == [None, "new"]
    plain = settings.to_plain(after)
    assert plain["events"]["predictions"].pop("unit") == "X-User"
    assert plain == settings.to_plain(before)
