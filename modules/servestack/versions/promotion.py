"""Takes a model's version from the lock of one environment to that of another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from servestack.errors import Location, Problem, ResolveError
from servestack.resolve.service import effective_spec, resolve_service
from servestack.spec.artifact_uri import OF_MLFLOW, parse_artifact_uri
from servestack.versions.carrying import Carried, Target, carry, find_target, require_locked
from servestack.versions.history import (
    Period,
    lines_at,
    own_lines,
    read_history,
    require_committed,
    working_lines,
)
from servestack.versions.slo import Measured, measure
from servestack_contract.artifact import Pin, served_version

_LARGEST_REPORT = 10 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """A JSON report that a reviewer is to see, such as `servestack shadow --output json` writes."""

    file: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version on its way: the new lock of `target`, and the evidence for its reviewer.

    `period` says since when `source`, an environment, has the version. `is_cut`: the clone is shallow
    and the version may be older. `bake` is the time since then. `measured` is None if no Prometheus
    was asked.
    """

    source: str
    target: Target
    carried: Carried
    period: Period
    bake: timedelta
    is_cut: bool
    measured: Measured | None
    reports: tuple[Report, ...]
    notes: tuple[str, ...]


def promote(
    root: Path,
    model: str,
    source: str,
    target: str,
    *,
    now: datetime,
    prometheus: str | None = None,
    reports: Sequence[Path] = (),
) -> Promotion:
    """Prepare to bring a model's locked version from the environment `source` to `target`.

    Nothing is written. Raises ServestackError: one environment twice (SRV570); the model is not
    there or not locked (SRV571); its lines in `source` are not committed (SRV572); `target` asks for
    another artifact (SRV573); a report cannot be read (SRV577); Prometheus does not answer (SRV578);
    git has no history (SRV579).
    """
    if source == target:
        message = f"{model} cannot be promoted from {source} to itself"
        raise ResolveError(Problem("SRV570", message, hint="name two environments"))
    read = tuple(map(_read_report, reports))
    origin, goal = find_target(root, source, model), find_target(root, target, model)
    require_locked(origin)
    require_committed(root, source, model, "what is not in git is no evidence for a reviewer")
    carried = carry(goal, origin.locked, source)
    history = read_history(root, source, model)
    period = history.current
    assert period is not None  # The lines are there, and committed.
    bake = period.lasted(now)
    spec, _ = effective_spec(origin.spec, origin.inputs.environment)
    measured = None
    if prometheus is not None:
        version = _label(origin)
        measured = measure(prometheus, source, model, version, spec.monitoring.slo, bake)
    return Promotion(
        source,
        goal,
        carried,
        period,
        bake,
        period.is_cut,
        measured,
        read,
        (*_about(root, origin, goal), *carried.notes),
    )


def _label(target: Target) -> str:
    """The version as the metrics of requests have it."""
    service = resolve_service(target.spec, target.inputs.environment, target.inputs.lock)
    return served_version(
        [
            Pin(model.name, model.artifact.version or "-", model.artifact.sha256)
            for model in service.models
        ]
    )


def _about(root: Path, origin: Target, goal: Target) -> list[str]:
    """What else a reviewer should know of both environments."""
    notes = []
    servers = [
        settings.tracking_uri if (settings := each.inputs.environment.value.mlflow) else None
        for each in (origin, goal)
    ]
    of_mlflow = any(
        parse_artifact_uri(artifact.uri).kind in OF_MLFLOW for artifact in origin.locked.values()
    )
    if of_mlflow and servers[0] != servers[1]:
        notes.append(
            f"{origin.environment} and {goal.environment} ask different MLflow servers: the pods of "
            f"{goal.environment} must reach the source, and its server may call the version otherwise"
        )
    now = working_lines(root, goal.environment, goal.name)
    if now is not None and now != lines_at(root, goal.environment, goal.name):
        uncommitted = ", ".join(line.shown for line in own_lines(now, goal.name)) or "nothing"
        notes.append(
            f"{goal.file.as_posix()} had an uncommitted line of {goal.name}, which is replaced: "
            f"{uncommitted}"
        )
    return notes


def _read_report(file: Path) -> Report:
    try:
        if file.stat().st_size > _LARGEST_REPORT:
            raise ValueError("it is larger than 10 MiB")
        data = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        hint = "give a file as `servestack shadow --output json` writes it"
        raise ResolveError(
            Problem("SRV577", f"the report cannot be read: {reason}", Location(file), hint=hint)
        ) from None
    return Report(file.name, data)
