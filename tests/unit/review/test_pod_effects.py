"""What a reviewer is told of a change of the pods' identity, placement, volumes and containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import build_service_manifests
from servestack.review.summary import review
from tests.support.services import resolved
from tests.support.whole_pods import IMAGE, LIMITED

SIDECAR = {"name": "proxy", "image": IMAGE, "resources": LIMITED}
REFERENCE = "registry.example.com/tools:1.2"
VOLUME = {"name": "lookup", "mountPath": "/data", "configMap": {"name": "lookup"}}
ROLE = {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}}}


def effects(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    before, after = (
        build_service_manifests(resolved(folder / name, spec))
        for name, spec in (("old", old), ("new", new))
    )
    groups = review("prod", "rendered/prod", before, after).groups
    return {effect for group in groups for effect in group.effects}


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (ROLE, "a cloud may give the pods other rights when they restart: arn:aws:iam::1:role/a"),
        (
            {"serviceAccount": {"name": "growth"}},
            "the pods get other rights: service account iris→growth",
        ),
        ({"scheduling": {"runtimeClass": "gvisor"}}, "other nodes may run the pods"),
        ({"scheduling": {"nodeSelector": {"a": "b"}}}, "other nodes may run the pods"),
        ({"sidecars": [SIDECAR]}, f"container proxy is added, with image {REFERENCE}"),
        ({"initContainers": [SIDECAR]}, f"container proxy is added, with image {REFERENCE}"),
        ({"volumes": [VOLUME]}, "the pods see other files"),
        ({"resources": {"gpu": {"count": 1}}}, "nvidia.com/gpu of a pod nothing→1"),
        ({"rollout": {"maxSurge": 2}}, "pods that a rollout starts first: 1→2"),
        ({"rollout": {"maxUnavailable": 1}}, "pods that a rollout stops first: 0→1"),
    ],
)
def test_effect(tmp_path: Path, new: dict[str, Any], words: str) -> None:
    assert words in effects(tmp_path / "a", {}, new)


def test_a_sidecar_that_goes(tmp_path: Path) -> None:
    assert "container proxy is removed" in effects(tmp_path, {"sidecars": [SIDECAR]}, {})
