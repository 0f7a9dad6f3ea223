"""Settings of an environment that change no object, and still matter to a reviewer."""

from __future__ import annotations

from typing import Any

from servestack.review.diff import Change, ObjectKey, compare_data, path_text
from servestack.review.effects.table import (
    Effect,
    Row,
    Words,
    becomes,
    in_order,
    lowered,
    moved,
    name_of,
    raised,
    row,
)
from servestack.spec.environment import Environment

ENVIRONMENT = "Environment"
_RAILS = r"^guardRails\."


def _allowed_again(change: Change) -> str | None:
    if change.operation != "remove":
        return None
    return f"artifacts of format {name_of(change)} may be served without trust of their owner"


def _loosened(words: str) -> Words:
    return becomes(False, words)


ROWS: tuple[Row, ...] = (
    row(
        ENVIRONMENT, rf"{_RAILS}requireImageDigest$", "security",
        _loosened("images no longer need a digest"),
    ),
    row(
        ENVIRONMENT, rf"{_RAILS}requireArtifactDigest$", "security",
        _loosened("artifacts no longer need a digest in the lock"),
    ),
    row(
        ENVIRONMENT, rf"{_RAILS}requireTls$", "security",
        _loosened("models may be reached without TLS from outside"),
    ),
    row(
        ENVIRONMENT, rf"{_RAILS}requireOwner$", "security",
        _loosened("models no longer need an owner"),
    ),
    row(ENVIRONMENT, rf"{_RAILS}forbiddenFormats\.\w+$", "security", _allowed_again),
    row(
        ENVIRONMENT, rf"{_RAILS}minReplicas$", "availability",
        lowered("models may run with fewer pods:", default=1),
    ),
    row(
        ENVIRONMENT, rf"{_RAILS}maxReplicas$", "availability",
        raised("models may run with more pods:", default=1000),
    ),
    row(ENVIRONMENT, _RAILS, "none", "a guard rail is stricter"),
    row(
        ENVIRONMENT, r"^cluster\.(context|kubeconfig)$", "security",
        moved("everything is applied to another cluster:"),
    ),
    row(
        ENVIRONMENT, r"^mlflow\.(trackingUri|registryUri)$", "security",
        "versions and digests are locked from another registry",
    ),
    row(
        ENVIRONMENT, r"^kafka\.topics\..+\.retentionHours$", "data",
        "`servestack topics --apply` changes how long Kafka keeps events",
    ),
    row(
        ENVIRONMENT, r"^kafka\.topics\.", "data",
        "`servestack topics` shows which topics differ from these settings",
    ),
)  # fmt: skip
"""Rows for fields of `stacks/<env>.yaml`, defaults included. To tell of another field that leaves
no trace in the objects, add its row; fields without a row are shown by the objects they change."""


def environment_changes(
    old: Environment, new: Environment
) -> list[tuple[Change, tuple[Effect, ...]]]:
    """The changed fields of an environment that have a row, with their effects."""
    key = ObjectKey("", "", ENVIRONMENT, "", new.name)
    found = []
    for operation, path, was, now in compare_data(_plain(old), _plain(new)):
        change = Change(operation, key, path, was, now)
        for entry in ROWS:
            if effects := entry.effects(ENVIRONMENT, path_text(path), change):
                found.append((change, in_order(effects)))
                break
    return found


def _plain(environment: Environment) -> Any:
    """The environment's own fields. Overlays, images and Kafka show in the objects of the models,
    but for the settings of topics that `servestack topics` makes."""
    data = environment.model_dump(
        mode="json", by_alias=True, exclude={"defaults", "overrides", "images", "kafka"}
    )
    kafka = environment.kafka
    if kafka is not None and kafka.topics.managed_by == "none":
        data["kafka"] = {"topics": kafka.topics.model_dump(mode="json", by_alias=True)}
    rails = data["guardRails"]
    # The order of formats means nothing.
    rails["forbiddenFormats"] = dict.fromkeys(rails["forbiddenFormats"], True)
    return data
