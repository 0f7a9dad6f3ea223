"""`servestack handover`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from servestack.cli.live_command import LiveOptions, connect
from servestack.cli.output import say
from servestack.live.handover import HandedOver, hand_over
from servestack.review.gate import build_checked


def handover(root: Path, environment: str, options: LiveOptions) -> None:
    """Keep the number of pods of every model whose autoscaler takes over a fixed count."""
    built = build_checked(root, environment)
    cluster, _ = connect(root, built.environment.cluster, options)
    found = hand_over(cluster, built.manifests)
    say_handed_over(found)
    if not found:
        say("no number of pods has to be handed over")


def say_handed_over(found: Sequence[HandedOver]) -> None:
    """Say which counts are kept."""
    for each in found:
        say(f"{each.name}: keeps its {each.replicas} pods until the autoscaler decides")
