"""What a reviewer is told of a shadow that comes, changes and goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.review.summary import Review, review
from tests.unit.review.test_consequences import found, manifests

REACHED = (
    "the pods may reach pods with app.kubernetes.io/component=model-server, "
    "app.kubernetes.io/name=iris-shadow of the same namespace (TCP 8080)"
)
SHADOW: dict[str, Any] = {"artifact": "models:/iris@candidate"}


def change(
    tmp_path: Path, before: dict[str, Any] | None, after: dict[str, Any] | None, **facts: Any
) -> Review:
    old = manifests(tmp_path / "old", {"shadow": before} if before else {}, {})
    new = manifests(tmp_path / "new", {"shadow": after} if after else {}, {}, facts or None)
    return review("prod", "HEAD", old, new)


def test_a_shadow_that_comes(tmp_path: Path) -> None:
    told = found(change(tmp_path, None, SHADOW))
    assert told == {
        "another version answers copies of requests, and logs them as the variant shadow": "data",
        "answered requests are copied to a shadow; no pod restarts": "data",
        "configuration of the shadow is added": "none",
        "only the model's pods and Prometheus may ask the shadow": "none",
        "the model's pods can reach the shadow": "none",
        "the shadow's metrics are scraped": "none",
        REACHED: "security",
        "changes the dashboard only": "none",
    }


def test_a_shadow_that_goes(tmp_path: Path) -> None:
    told = found(change(tmp_path, SHADOW, None))
    assert told["the shadow stops, and no more events of the variant shadow are logged"] == "data"
    assert told["no more requests are copied to a shadow; no pod restarts"] == "data"
    # The way out to the shadow's pods is closed, which the words for all such rules call that.
    assert [words for words, category in told.items() if category == "availability"] == [
        f"the pods may no longer reach {REACHED.removeprefix('the pods may reach ')}"
    ]
    assert not {"restart", "security"} & set(told.values())


@pytest.mark.parametrize(
    ("before", "after", "words", "category"),
    [
        ({}, {"percent": 10},
         "share of the requests that is copied to the shadow, without a restart: 100%→10%", "data"),
        ({}, {"replicas": 3}, "shadow: capacity 1→3", "none"),
        ({}, {"resources": {"cpu": "1"}}, "shadow: size of a pod 500m→1", "none"),
        ({}, {"maxQueue": 50}, "copies that may wait 1000→50", "none"),
        ({}, {"maxQueued": "1Mi"}, "bytes of copies that may wait 16 MiB→1 MiB", "none"),
        ({}, {"timeoutSeconds": 2}, "time of a copy at the shadow 10 s→2 s", "none"),
    ],
)  # fmt: skip
def test_a_shadow_that_changes(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], words: str, category: str
) -> None:
    told = found(change(tmp_path, SHADOW | before, SHADOW | after))
    assert told.get(words) == category, told
    assert "availability" not in told.values()


def test_another_version_of_the_shadow(tmp_path: Path) -> None:
    told = found(change(tmp_path, SHADOW, SHADOW, shadow={"version": "5", "sha256": "ef" * 32}))
    assert told["shadow: serves version 4→5"] == "data"
    assert set(told.values()) == {"data", "restart"}
    assert all(words.startswith("shadow: ") for words in told)
