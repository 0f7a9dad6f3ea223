"""What a reviewer is told of a model whose versions come in by Argo Rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servestack.manifests.assemble import build_manifests
from servestack.review.summary import Review, review
from tests.support.services import resolved

Data = dict[str, Any]
ARGO: Data = {
    "rollouts": {"engine": "argo", "prometheusAddress": "http://prometheus:9090", "router": "nginx"}
}
CANARY: Data = {"rollout": {"strategy": "canary"}}


def changed(tmp_path: Path, old: Data, new: Data, artifact: Data | None = None) -> Review:
    sides = []
    for name, spec, pinned in (("old", old, None), ("new", new, artifact)):
        service = resolved(tmp_path / name, spec, ARGO, pinned)
        sides.append(build_manifests(service.environment, "stacks/prod.yaml", [service]))
    before, after = sides
    return review("prod", "before", before, after)


def words(result: Review) -> dict[str, str]:
    """Category of each effect by its words."""
    return {
        effect.words: effect.category for group in result.groups for effect in group.categorised
    }


def test_the_move_to_a_rollout_is_a_matter_of_availability(tmp_path: Path) -> None:
    found = words(changed(tmp_path, {}, CANARY))
    (move,) = (text for text in found if text.startswith("a Rollout takes over"))
    assert found[move] == "availability"
    assert "servestack handover" in move
    assert not any("stops serving" in text or "starts to serve" in text for text in found)


def test_the_way_back_says_the_same(tmp_path: Path) -> None:
    found = words(changed(tmp_path, CANARY, {}))
    assert any(text.startswith("a Deployment takes over") for text in found)


def test_a_new_version_is_told_and_nothing_else(tmp_path: Path) -> None:
    new = {"version": "4", "sha256": "cd" * 32, "source": "s3://models/iris/4"}
    found = words(changed(tmp_path, CANARY, CANARY, new))
    assert found == {
        "serves version 3→4": "data",
        "loads another artifact": "data",
        "new pods take over as rollout.strategy says": "restart",
        "the checks are of it": "none",
    }


def test_steps_and_checks_have_words(tmp_path: Path) -> None:
    other = {"rollout": {"strategy": "canary", "steps": [50, 100], "checks": {"latency": False}}}
    found = words(changed(tmp_path, CANARY, other))
    assert found == {
        "changes how the next version is brought in, and when it is given up": "availability",
        "changes when a new version is given up": "availability",
    }
