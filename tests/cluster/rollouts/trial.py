"""Rollouts of good and bad versions, one after the other, under requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from servestack.resolve.lock import read_lock, write_lock
from tests.cluster.callers import Callers
from tests.cluster.deployment import ENVIRONMENT, NAMESPACE, Deployment
from tests.cluster.rollouts.stage import apply_files, bring_in_by, commit, move
from tests.cluster.rollouts.versions import BETTER, BROKEN, FAILING, GOOD, SLOW
from tests.cluster.rollouts.watch import active_hash, phase, weight

WEIGHT = 25
CANARY: dict[str, Any] = {
    "steps": [{"weight": WEIGHT, "minutes": 0.7, "requests": 300}, 100],
    "bakeMinutes": 0.25,
    "checks": {"waitMinutes": 0.75},
}
BLUE_GREEN: dict[str, Any] = {"bakeMinutes": 0.75}
_ROUTER_SECONDS = 3
_END_SECONDS = 240


@dataclass
class Round:
    """What came of one version. `seconds` is the time from the breach until callers no longer get it,
    or, of a good one, of the switch; `share` what was seen of it at its step, in percent."""

    kind: str
    verdict: str
    failed: int
    asked: int
    seconds: float | None = None
    share: float | None = None
    seen: int = 0
    reason: str = ""
    others: list[str] = field(default_factory=list)


def _take_over(deployment: Deployment) -> Round:
    """From a Deployment to a Rollout, as the how-to says."""
    with Callers(deployment, pause=0.01) as callers:
        deployment.servestack("handover", ENVIRONMENT)
        apply_files(deployment)
        time.sleep(_ROUTER_SECONDS)
        deployment.kubectl("-n", NAMESPACE, "delete", "deployment", "iris")
        _ended(deployment)
        time.sleep(_ROUTER_SECONDS)
    return _round("to a Rollout, good", deployment, callers)


def good_canary(deployment: Deployment, version: str) -> Round:
    """A version that is as good: it gets its share, then everything, and no request fails."""
    with Callers(deployment, pause=0.01) as callers:
        _bring(deployment, version)
        deployment.wait("the first step", lambda: weight(deployment) == WEIGHT, _END_SECONDS)
        time.sleep(_ROUTER_SECONDS)
        before = callers.versions.copy()
        deployment.wait("the next step", lambda: weight(deployment) != WEIGHT, _END_SECONDS)
        seen = callers.versions - before
        _ended(deployment)
        time.sleep(_ROUTER_SECONDS)
    share = 100 * seen[version] / seen.total()
    return _round("good", deployment, callers, share=share, seen=seen.total())


def bad_canary(deployment: Deployment, kind: str, version: str) -> Round:
    """A version that is worse: callers get the old one again, and the Rollout says why."""
    moves = kind in ("errors", "slow")
    asks = kind != "no traffic"
    with Callers(deployment, pause=0.01 if asks else 5) as callers:
        if kind == "wrong digest":
            _falsify(deployment, version)
            apply_files(deployment)
        else:
            _bring(deployment, version)
        if moves or not asks:
            deployment.wait("the first step", lambda: weight(deployment) == WEIGHT, _END_SECONDS)
        began = time.monotonic()
        deployment.wait(
            "the old version alone",
            lambda: weight(deployment) == 0 and phase(deployment)[0] == "Degraded",
            _END_SECONDS,
        )
        seconds = time.monotonic() - began
        time.sleep(_ROUTER_SECONDS)
    return _round(kind, deployment, callers, seconds=seconds if moves else None)


def blue_green(deployment: Deployment, kind: str, version: str) -> Round:
    """All requests at once: how long callers get both versions, and how fast the way back is."""
    with Callers(deployment, pause=0.01) as callers:
        old = active_hash(deployment)
        _bring(deployment, version)
        deployment.wait("the switch", lambda: active_hash(deployment) != old, _END_SECONDS)
        switched = time.monotonic()
        if kind == "blueGreen, good":
            seconds = callers.until_only(version) - switched
        else:
            deployment.wait("the way back", lambda: active_hash(deployment) == old, _END_SECONDS)
            back = time.monotonic()
            seconds = callers.until_only(_other(version)) - back
        _ended(deployment)
        time.sleep(_ROUTER_SECONDS)
    return _round(kind, deployment, callers, seconds=seconds)


def run_rounds(deployment: Deployment, rounds: int, tell: Callable[[str], None]) -> Iterable[Round]:
    """Good and bad canaries, then blue-green, each that often."""
    bring_in_by(deployment, "canary", **CANARY)
    yield _told(_take_over(deployment), tell)
    for number in range(rounds):
        version = BETTER if number % 2 == 0 else GOOD
        yield _told(good_canary(deployment, version), tell)
    for kind, bad in (
        ("errors", FAILING),
        ("slow", SLOW),
        ("wrong digest", _other(version)),
        ("never ready", BROKEN),
        ("no traffic", _other(version)),
    ):
        for _ in range(-(-rounds // 5)):
            yield _told(bad_canary(deployment, kind, bad), tell)
            _take_back(deployment)
    bring_in_by(deployment, "blueGreen", **BLUE_GREEN)
    _bring(deployment, GOOD)
    _ended(deployment)
    for number in range(rounds):
        version = BETTER if number % 2 == 0 else GOOD
        yield _told(blue_green(deployment, "blueGreen, good", version), tell)
    yield _told(blue_green(deployment, "blueGreen, errors", FAILING), tell)


def _told(one: Round, tell: Callable[[str], None]) -> Round:
    tell(f"{one.kind}: {one.verdict}, {one.failed} of {one.asked} failed {one.reason}")
    return one


def _other(version: str) -> str:
    return GOOD if version == BETTER else BETTER


def _bring(deployment: Deployment, version: str) -> None:
    move(deployment, version)
    apply_files(deployment)


def _take_back(deployment: Deployment) -> None:
    """What the revert of the pull request does."""
    move(deployment, stable_version(deployment))
    apply_files(deployment)
    _ended(deployment)


def _falsify(deployment: Deployment, version: str) -> None:
    """A lock whose digest is not the artifact's."""
    move(deployment, version)
    file = deployment.root / f"stacks/{ENVIRONMENT}.lock.yaml"
    lock = read_lock(file, ENVIRONMENT)
    lock.models["iris"]["iris"] = structs.replace(lock.models["iris"]["iris"], sha256="ab" * 32)
    write_lock(file, lock)
    commit(deployment, "a digest that is wrong")


def stable_version(deployment: Deployment) -> str:
    """The version that callers get."""
    return str(deployment.predict()["version"])


def _ended(deployment: Deployment) -> None:
    deployment.wait(
        "the end", lambda: phase(deployment)[0] in ("Healthy", "Degraded"), _END_SECONDS
    )


def _round(kind: str, deployment: Deployment, callers: Callers, **figures: Any) -> Round:
    verdict, reason = phase(deployment)
    return Round(kind, verdict, len(callers.failures), callers.sent, reason=reason,
                 others=callers.failures[:3], **figures)  # fmt: skip
