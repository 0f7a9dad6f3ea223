"""What git says that the cluster runs: the workloads by specs and lock, and by rendered files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, ResolveError
from servestack.manifests.marks import Workload, workloads
from servestack.project import RENDERED_FOLDER, build_environment
from servestack.render.tree import is_ours, read_manifest
from servestack.resolve.environment import deployed
from servestack.spec.environment import Environment
from servestack.spec.model_files import Selection


@dataclass(frozen=True, slots=True)
class Declared:
    """The workloads of an environment, or of some of its models, by specs and lock.

    `stale` are the problems of rendered files that say something else, as GitOps would apply them.
    Without `rendered/<env>` there are none: Pulumi does not need it.
    """

    environment: Environment
    workloads: tuple[Workload, ...]
    stale: tuple[Problem, ...]


def read_declared(root: Path, environment: str, models: Sequence[str] = ()) -> Declared:
    """Build an environment, and compare its workloads with the rendered ones.

    Raises ServestackError if files are not valid, or if a model is not served there (SRV571).
    """
    selection = Selection(tuple(models)) if models else None
    built = build_environment(root, environment, selection)
    there = {spec.value.name for spec in deployed(built.inputs.specs, built.environment)}
    gone = [
        Problem("SRV571", f"{environment} does not serve {name}")
        for name in models
        if name not in there
    ]
    if gone:
        raise ResolveError(gone)
    wanted = workloads(built.manifests)
    folder = RENDERED_FOLDER / environment
    stale = tuple(_stale(root, folder, wanted)) if (root / folder).is_dir() else ()
    return Declared(built.environment, wanted, stale)


def _stale(root: Path, folder: Path, wanted: Sequence[Workload]) -> list[Problem]:
    problems = []
    for model in sorted({workload.model for workload in wanted}):
        rendered = []
        files = sorted((root / folder / model).glob("*.yaml"))
        for file in files:
            if file.name.startswith(("deployment-", "rollout-")) and is_ours(file):
                text = file.read_text(encoding="utf-8")
                rendered.append(read_manifest(text, f"{model}/{file.name}", file))
        found = {(w.kind, w.name): w for w in workloads(rendered)}
        for each in wanted:
            if each.model != model:
                continue
            one = found.get((each.kind, each.name))
            place = folder / model / f"{each.kind.lower()}-{each.name}.yaml"
            what = one.mark.difference(each.mark) if one else "nothing instead of this workload"
            if what:
                hint = f"run `servestack render {folder.name}`, and commit it"
                problems.append(
                    Problem("SRV697", f"is stale: it has {what}", Location(place), hint=hint)
                )
    return problems
