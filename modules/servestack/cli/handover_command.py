"""`servestack handover`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from servestack.cli.live_command import LiveOptions, connect
from servestack.cli.output import say
from servestack.live.client import Cluster
from servestack.live.handover import HandedOver, admit_scaled_objects, hand_over
from servestack.manifests.manifest import Manifest
from servestack.review.gate import build_checked


def handover(root: Path, environment: str, options: LiveOptions) -> None:
    """Keep the number of pods of every model that gets another owner of its count."""
    built = build_checked(root, environment)
    cluster, _ = connect(root, built.environment.cluster, options)
    if not hand_over_counts(cluster, built.manifests):
        say("no number of pods has to be handed over")


def hand_over_counts(cluster: Cluster, manifests: Sequence[Manifest]) -> bool:
    """Hand over what has to be, and say it. Returns whether anything had to be done."""
    found: Sequence[HandedOver] = hand_over(cluster, manifests)
    for each in found:
        say(f"{each.name}: keeps its {each.replicas} pods until the autoscaler decides")
    admitted = admit_scaled_objects(cluster, manifests)
    for name in admitted:
        say(f"{name}: keeps its pods while KEDA takes over from the HorizontalPodAutoscaler")
    return bool(found or admitted)
