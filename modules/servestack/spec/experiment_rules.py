"""Rules about an experiment, and what follows from its section and the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from servestack.spec.experiment import Experiment, ExperimentVariant
from servestack.spec.faults import Fault
from servestack.spec.graph import Split, splits_of

if TYPE_CHECKING:
    from servestack.spec.model_service import ModelService

_TOKEN = frozenset("!#$%&'*+-.^_`|~")


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant of an experiment: its share in percent, and which predictions are its.

    `branch` is a branch of the graph's split. Else `service`, `version` and `rollout` tell; None: any.
    """

    name: str
    share: float
    service: str
    branch: str | None = None
    version: str | None = None
    rollout: str | None = None


def arms_of(spec: ModelService) -> tuple[Arm, ...]:
    """Return the variants of a valid spec with an experiment, the control first."""
    experiment = spec.experiment
    assert experiment is not None
    if experiment.variants is not None:
        found = [
            Arm(name, one.share, one.service or spec.name, None, one.version, one.rollout)
            for name, one in experiment.variants.items()
        ]
    else:
        found = [
            Arm(branch.label or "", branch.weight, spec.name, branch.label)
            for split in splits_of(spec.graph)
            for branch in split.branches
        ]
    control = experiment.control or found[0].name
    return tuple(sorted(found, key=lambda arm: arm.name != control))


def experiment_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield every fault of an experiment; none without one."""
    experiment = spec.experiment
    if experiment is None:
        return
    splits = splits_of(spec.graph)
    if experiment.variants is None:
        yield from _split_faults(splits)
    else:
        yield from _variant_faults(experiment, experiment.variants)
    names = (
        list(experiment.variants)
        if experiment.variants is not None
        else [branch.label for split in splits for branch in split.branches]
    )
    if experiment.control is not None and experiment.control not in names:
        yield Fault(
            "SRV591",
            ("experiment", "control"),
            f"{experiment.control!r} is no variant",
            f"the variants are {', '.join(name or '?' for name in names)}",
            (("experiment", "variants") if experiment.variants is not None else ("graph",),),
        )
    yield from _logging_faults(spec, experiment)
    yield from _sticky_faults(spec, experiment, splits)
    yield from _guardrail_faults(experiment)
    if experiment.start is not None:
        try:
            datetime.fromisoformat(experiment.start)
        except ValueError:
            yield Fault(
                "SRV595",
                ("experiment", "start"),
                f"{experiment.start} is not a date",
                "write a day of the calendar and a time of the day",
            )


def _split_faults(splits: tuple[Split, ...]) -> Iterator[Fault]:
    if len(splits) != 1:
        number = f"{len(splits)} splits" if splits else "no split"
        yield Fault(
            "SRV590",
            ("experiment",),
            f"needs one split to take its variants from, and the graph has {number}",
            "write graph: {kind: split, branches: […]}, or experiment.variants for pods of their own",
            (("graph",),),
        )
        return
    labels = [branch.label for branch in splits[0].branches]
    for index, label in enumerate(labels):
        if label is None:
            yield Fault(
                "SRV590",
                ("graph",),
                f"branch {index + 1} of the split has no name for the experiment",
                "give it one: {node: …, weight: …, name: new}",
                (("experiment",),),
            )
        elif label in labels[:index]:
            yield Fault(
                "SRV590",
                ("graph",),
                f"two branches of the split are called {label!r}",
                "give one of them another name: {node: …, weight: …, name: new}",
                (("experiment",),),
            )


def _variant_faults(
    experiment: Experiment, variants: dict[str, ExperimentVariant]
) -> Iterator[Fault]:
    total = sum(one.share for one in variants.values())
    if abs(total - 100) > 1e-6:
        yield Fault(
            "SRV591",
            ("experiment", "variants"),
            f"shares add up to {total:g}",
            "make the sum 100",
        )
    seen: list[tuple[str, ExperimentVariant]] = []
    for name, one in variants.items():
        for other_name, other in seen:
            if _overlap(one, other):
                yield Fault(
                    "SRV591",
                    ("experiment", "variants", name),
                    f"a prediction may be both of {other_name!r} and of {name!r}",
                    "tell them apart by service, version or rollout",
                    (("experiment", "variants", other_name),),
                )
        seen.append((name, one))


def _overlap(one: ExperimentVariant, other: ExperimentVariant) -> bool:
    if one.service != other.service:
        return False
    pairs = ((one.version, other.version), (one.rollout, other.rollout))
    return all(ours is None or theirs is None or ours == theirs for ours, theirs in pairs)


def _logging_faults(spec: ModelService, experiment: Experiment) -> Iterator[Fault]:
    if spec.logging.predictions is None:
        yield Fault(
            "SRV592",
            ("experiment",),
            "needs predictions, and logging.predictions turns them off",
            "remove `predictions: null`",
            (("logging", "predictions"),),
        )
    if not spec.logging.feedback:
        yield Fault(
            "SRV592",
            ("experiment", "metric"),
            f"{experiment.metric} needs feedback, and logging.feedback is false",
            "set logging.feedback to true",
            (("logging", "feedback"),),
        )
    for index, guardrail in enumerate(experiment.guardrails):
        if guardrail.metric == "errors" and not spec.logging.access:
            yield Fault(
                "SRV592",
                ("experiment", "guardrails", index, "metric"),
                "errors needs an event for each request, and logging.access is false",
                "set logging.access to true, or remove the guardrail",
                (("logging", "access"),),
            )


def _sticky_faults(
    spec: ModelService, experiment: Experiment, splits: tuple[Split, ...]
) -> Iterator[Fault]:
    path: tuple[str, ...] = ("experiment", "stickyBy")
    name = experiment.sticky_by
    if experiment.variants is None:
        if name is not None:
            yield Fault(
                "SRV593",
                path,
                "is for variants in pods of their own; this experiment's are branches of the split",
                "write stickyBy there: graph: {kind: split, stickyBy: …}",
                (("graph",),),
            )
            return
        path = ("graph",)
        name = splits[0].sticky_by if len(splits) == 1 else None
    elif name is not None and splits:
        yield Fault(
            "SRV593",
            path,
            "cannot be logged beside a split, which assigns in its own way",
            "remove stickyBy, or the split",
            (("graph",),),
        )
    if name is None:
        return
    columns = [column.name for column in spec.api.input.columns or ()]
    if name not in columns and not all(c.isascii() and (c.isalnum() or c in _TOKEN) for c in name):
        yield Fault(
            "SRV593",
            path,
            f"{name!r} is neither a column of api.input nor the name of a header",
            f"the columns are {', '.join(columns)}"
            if columns
            else "write a header, such as X-User",
            (("experiment",),),
        )
    log = spec.logging.predictions
    if log is not None and log.redact.get(name) == "drop":
        yield Fault(
            "SRV593",
            path,
            f"{name} is left out of the log, and the experiment would log its hash",
            "write `hash` in logging.predictions.redact, or assign by another column",
            (("logging", "predictions", "redact", name), ("experiment",)),
        )


def _guardrail_faults(experiment: Experiment) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, guardrail in enumerate(experiment.guardrails):
        path = ("experiment", "guardrails", index)
        if guardrail.metric in seen or guardrail.metric == experiment.metric:
            yield Fault(
                "SRV594",
                (*path, "metric"),
                f"{guardrail.metric} is already looked at",
                "keep one of the two",
                (("experiment", "metric"),),
            )
        seen.add(guardrail.metric)
        if guardrail.better == "higher" and not guardrail.metric.startswith("feedback"):
            yield Fault(
                "SRV594",
                (*path, "better"),
                f"higher {guardrail.metric} is not better",
                "remove it",
                ((*path, "metric"),),
            )
