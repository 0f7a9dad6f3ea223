"""`servestack preview`, `up`, `destroy`, `status`."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from servestack.apply.engine import Engine
from servestack.apply.events import Step
from servestack.cli.cluster import open_cluster
from servestack.cli.handover_command import hand_over_counts, words_of
from servestack.cli.output import say, write
from servestack.cli.wait_command import tell_disagreements
from servestack.errors import ApplyError, ClusterError, Problem
from servestack.live.client import Cluster
from servestack.live.objects import is_ours
from servestack.live.rollout_watch import RolloutWatch
from servestack.live.takeover import (
    before_pods,
    keep_count,
    lead_to_old_pods,
    takeovers,
    wait_until_serving,
    with_pods,
)
from servestack.live.version import require_version
from servestack.manifests.manifest import Manifest

gc.enable()  # Rollouts are watched for minutes.


def preview(root: Path, environment: str) -> None:
    """Print how many objects would change, and name those that would be deleted."""
    engine = Engine(root, environment, say)
    counts = engine.preview()
    _announce_deletes(engine.events.planned)
    write(json.dumps(counts, indent=2) + "\n")


def up(root: Path, environment: str, *, yes: bool) -> None:
    """Preview, name what will be deleted, ask, apply, and print the outputs."""
    engine = Engine(root, environment, say)
    assert engine.built is not None
    namespace = engine.built.environment.namespace
    cluster = open_cluster(root, engine.built.environment)
    if cluster is not None:
        require_version(cluster)
    engine.settle_pending(lambda body: _was_made(cluster, body))
    changes = set(engine.preview()) - {"same"}
    planned = engine.events.planned
    _announce_deletes(planned)
    if not yes and changes:
        typer.confirm(f"Apply these changes to {environment}?", abort=True, err=True)
    if cluster is not None:
        hand_over_counts(cluster, engine.built.manifests)
        _take_over(engine, cluster, planned)
    write(json.dumps(_applied(engine, cluster, namespace, planned), indent=2) + "\n")
    for step in planned:
        if step.kind == "Rollout" and step.operation == "update":
            model = step.name.partition("/")[0]
            say(
                f"{model}: Argo Rollouts brings the new version in; `servestack wait {environment} "
                f"{model}` follows it"
            )


def _take_over(engine: Engine, cluster: Cluster, planned: list[Step]) -> None:
    """Start the pods of workloads that change their kind, before the rest of the update."""
    assert engine.built is not None
    manifests = engine.built.manifests
    moves = takeovers(cluster, manifests)
    if not moves:
        return
    models = {each.new.group for each in moves}
    of_models = [s for s in planned if s.kind and s.name.partition("/")[0] in models]
    for each in moves:
        say(f"{each.new.name}: starts {words_of(each)}")
    first = [manifest for each in moves for manifest in before_pods(each, manifests)]
    engine.up(without=_other_than(first, of_models))
    for each in moves:
        lead_to_old_pods(cluster, each)
    first += [manifest for each in moves for manifest in with_pods(each, manifests)]
    engine.up(without=_other_than(first, of_models))
    for each in moves:
        keep_count(cluster, each)
        wait_until_serving(cluster, each)


def _other_than(manifests: Iterable[Manifest], planned: Iterable[Step]) -> list[str]:
    """The URNs of planned steps for other objects than these."""
    names = {manifest.path.removesuffix(".yaml") for manifest in manifests}
    return [step.urn for step in planned if step.name not in names]


def destroy(root: Path, environment: str, *, yes: bool) -> None:
    """Name what will be deleted, ask, then delete everything that the stack created."""
    engine = Engine(root, environment, say, create=False)
    objects = engine.objects()
    say(f"deletes: {', '.join(objects)}" if objects else "nothing to delete")
    say("the namespace stays, and so does everything that is not named here")
    if not yes:
        typer.confirm(f"Delete these objects of {environment}?", abort=True, err=True)
    engine.destroy()


def status(root: Path, environment: str, *, check: bool = False) -> int:
    """Print the outputs of the last update, and say where the cluster does not run what git says.

    Returns the exit code: with `check` 2 if it does not.
    """
    write(json.dumps(Engine(root, environment, say, create=False).outputs(), indent=2) + "\n")
    return tell_disagreements(root, environment, check=check)


def _applied(
    engine: Engine, cluster: Cluster | None, namespace: str, planned: list[Step]
) -> dict[str, Any]:
    """Apply, and return the outputs. The pods' own messages explain a failed rollout."""
    if cluster is None:
        return engine.up()
    models = [model for step in planned if (model := _rolled_out_model(step))]
    with RolloutWatch(cluster, namespace, models, engine.interrupt, say) as watch:
        engine.events.on_begin = lambda step: (
            watch.begin(model) if (model := _rolled_out_model(step)) else None
        )
        try:
            return engine.up()
        except ApplyError as error:
            failed = watch.problems()
            others = [p for p in error.problems if not _is_about(p, failed)]
            raise ApplyError([*failed.values(), *others]) from None


def _rolled_out_model(step: Step) -> str:
    """Return the model whose Deployment a step creates or updates, or "" for another step."""
    rolls = step.operation in ("create", "update", "create-replacement")
    return step.name.partition("/")[0] if rolls and step.kind == "Deployment" else ""


def _is_about(problem: Problem, models: Mapping[str, Problem]) -> bool:
    """Return whether a problem only repeats that a model's pods did not become ready."""
    waits = ("deployment-", "service-", "ingress-")
    return any(problem.message.startswith(f"{m}/{kind}") for m in models for kind in waits)


def _announce_deletes(planned: list[Step]) -> None:
    if names := [step.name for step in planned if step.deletes]:
        say(f"deletes: {', '.join(names)}")


def _was_made(cluster: Cluster | None, body: Mapping[str, Any]) -> bool:
    if cluster is None:
        return False
    try:
        return is_ours(cluster, body)
    except ClusterError:
        return False
