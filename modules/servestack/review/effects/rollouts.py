"""A Rollout of Argo Rollouts: how its versions come in, and what it means that it takes over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from servestack.manifests.kinds import WORKLOADS
from servestack.review.diff import Change
from servestack.review.effects.table import RESTART, Effect, Row, row

ROWS: tuple[Row, ...] = (
    # Which version is new; the version itself says so in words of its own.
    row("Rollout", r"^spec\.strategy\..*\.args\[\d+\]\.value$", "none", "the checks are of it"),
    row(
        "Rollout", r"^spec\.strategy\.(?!.*\.args\[\d+\]\.value$)", "availability",
        "changes how the next version is brought in, and when it is given up",
    ),
    row("AnalysisTemplate", r"^spec\.", "availability", "changes when a new version is given up"),
    row("Rollout", r"^spec\.selector", "availability", "the Rollout must be replaced"),
)  # fmt: skip
_STEPS = "new pods take over as rollout.strategy says"


def as_rollout(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The consequences of a changed field of a Rollout, whose pods are not replaced one by one."""
    return tuple(replace(effect, words=effect.words.replace(RESTART, _STEPS)) for effect in effects)


def is_takeover(changes: Sequence[Change]) -> bool:
    """Whether a model's Rollout takes the pods over from its Deployment, or the other way round."""
    return {change.operation for change in changes if is_workload(change)} >= {"add", "remove"}


def is_workload(change: Change) -> bool:
    """Whether a change adds or removes the model's own workload; its shadow has another name."""
    key = change.object
    return not change.path and key.kind in WORKLOADS and key.name == key.group


def of_takeover(change: Change) -> tuple[Effect, ...]:
    """The consequence of either object: the model goes on serving."""
    kind = change.object.kind
    if change.operation == "remove":
        return (Effect("none", f"the {kind} gives its pods up"),)
    return (
        Effect(
            "availability",
            f"a {kind} takes over with pods of its own: run `servestack handover` first, which starts "
            "them beside the old ones (`servestack up` does so itself); else callers get no answer "
            "until they are ready",
        ),
    )
