"""`servestack handover`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from servestack.cli.live_command import LiveOptions, connect
from servestack.cli.output import say
from servestack.errors import ApplyError, Problem
from servestack.live.client import Cluster
from servestack.live.handover import HandedOver, admit_scaled_objects, hand_over
from servestack.live.takeover import Takeover, start_beside, takeovers, wait_until_serving
from servestack.manifests.manifest import Manifest
from servestack.review.gate import build_checked
from servestack.words import counted

_PULUMI = "pulumi"
"""How the field managers of Pulumi's plugin begin."""


def handover(root: Path, environment: str, options: LiveOptions) -> None:
    """Keep the pods of every model whose count, or whose kind of workload, gets another owner."""
    built = build_checked(root, environment)
    cluster, _ = connect(root, built.environment.cluster, options)
    done = hand_over_counts(cluster, built.manifests)
    if not take_over(cluster, built.manifests, environment) and not done:
        say("no pods have to be handed over")


def take_over(cluster: Cluster, manifests: Sequence[Manifest], environment: str) -> bool:
    """Start the pods of workloads that change their kind. Returns whether there were any."""
    found = takeovers(cluster, manifests)
    for each in found:
        if each.manager.startswith(_PULUMI):
            message = (
                f"{each.new.name} is applied by Pulumi, which refuses objects that it did not make"
            )
            hint = f"run `servestack up {environment}`, which starts the new pods first itself"
            raise ApplyError(Problem("SRV548", message, hint=hint))
        say(f"{each.new.name}: starts {words_of(each)}")
        start_beside(cluster, each, manifests)
        wait_until_serving(cluster, each)
        say(f"{each.new.name}: the pods of the {each.new.kind} serve; apply the files now")
    return bool(found)


def words_of(takeover: Takeover) -> str:
    """`3 pods of the Rollout beside those of the Deployment`."""
    pods, new, old = counted(takeover.replicas, "pod"), takeover.new.kind, takeover.old["kind"]
    return f"{pods} of the {new} beside those of the {old}"


def hand_over_counts(cluster: Cluster, manifests: Sequence[Manifest]) -> bool:
    """Hand over what has to be, and say it. Returns whether anything had to be done."""
    found: Sequence[HandedOver] = hand_over(cluster, manifests)
    for each in found:
        say(f"{each.name}: keeps its {each.replicas} pods until the autoscaler decides")
    admitted = admit_scaled_objects(cluster, manifests)
    for name in admitted:
        say(f"{name}: keeps its pods while KEDA takes over from the HorizontalPodAutoscaler")
    return bool(found or admitted)
