"""Rules on a model's shadow: that it takes the model's requests, and that its answers tell something."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.resolve.resolved import ResolvedService
from servestack.resolve.shadow import shadow_service
from servestack.review.policy.rule import Path, Subject, Violation, rule
from servestack.spec.api import Input
from servestack.spec.columns import Column

ARTIFACT: Path = ("shadow", "artifact")
_ALSO: dict[str, frozenset[str]] = {
    "integer": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
}
"""Types of a column that take every value of the type, besides itself and `any`."""
_SHOWN = 3


@rule("SRV700", "error", "has a shadow that takes the model's requests")
def fitting_input(subject: Subject) -> Iterator[Violation]:
    shadow = shadow_service(subject.service)
    # What the spec describes holds for both.
    if shadow is None or subject.service.spec.api.input.is_known:
        return
    found = list(_misfits(subject.service.input, shadow.input))
    if found:
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield Violation(
            ARTIFACT,
            f"{shadow.models[0].artifact.uri} {', '.join(found[:_SHOWN])}{more}",
            "log the other version with a signature that takes what the model's takes, or describe what "
            "both take in api.input",
        )


def _misfits(model: Input, shadow: Input) -> Iterator[str]:
    """Yield what keeps the shadow from taking what the model takes; nothing if one is not known."""
    if not (model.is_known and shadow.is_known):
        return
    if model.columns is not None and shadow.columns is not None:
        ignores = shadow.unknown_columns == "ignore"
        yield from _misfitting_columns(model.columns, shadow.columns, ignores)
        return
    wanted, given = _tensors(model), _tensors(shadow)
    if not wanted or not given:
        yield "takes a table" if shadow.columns is not None else "takes tensors"
        return
    for name, (dtype, shape) in wanted.items():
        if name not in given:
            yield f"takes no tensor {name!r}"
        elif given[name] != (dtype, shape):
            other, other_shape = given[name]
            yield f"takes {other} {list(other_shape)} and not {dtype} {list(shape)}"
    yield from (f"needs a tensor {name!r}" for name in given if name not in wanted)


def _tensors(given: Input) -> dict[str, tuple[str, tuple[int, ...]]]:
    if given.tensor is not None:
        return {"": (given.tensor.dtype, given.tensor.shape)}
    return {tensor.name or "": (tensor.dtype, tensor.shape) for tensor in given.tensors or ()}


def _misfitting_columns(
    model: tuple[Column, ...], shadow: tuple[Column, ...], ignores_others: bool
) -> Iterator[str]:
    ours = {column.name: column for column in model}
    theirs = {column.name: column for column in shadow}
    for name, column in theirs.items():
        own = ours.get(name)
        if own is None:
            if column.required:
                yield f"needs column {name!r}, which the model does not take"
            continue
        if column.type not in (own.type, "any", *_ALSO.get(own.type, ())):
            yield f"takes {column.type} in column {name!r} and not {own.type}"
        if column.required and not own.required:
            yield f"needs column {name!r}, which the model can do without"
        if own.nullable and not column.nullable and column.type != "any":
            yield f"takes no null in column {name!r}"
    if not ignores_others:
        yield from (f"refuses column {name!r}" for name in ours if name not in theirs)
    order = [name for name in theirs if name in ours]
    if order != [name for name in ours if name in theirs]:
        yield "has its columns in another order, so that rows without names would be misread"


@rule("SRV701", "warning", "has a shadow whose answers can be compared with its own")
def comparable_answers(subject: Subject) -> Iterator[Violation]:
    shadow = shadow_service(subject.service)
    if shadow is None:
        return
    log = subject.service.spec.logging.predictions
    if not subject.service.topics.predictions or log is None or not log.outputs:
        yield Violation(
            ("shadow",),
            "answers of model and shadow are not logged, so that only metrics tell them apart",
            "send events to the environment's Kafka, with logging.predictions.outputs",
        )
        return
    ours, theirs = (_outputs(service) for service in (subject.service, shadow))
    if ours and theirs and ours != theirs:
        yield Violation(
            ARTIFACT,
            f"by its signature it answers {_words(theirs)}, and the model {_words(ours)}",
            "the report compares what both have; log both versions with the same outputs",
        )


def _outputs(service: ResolvedService) -> list[tuple[str, str]]:
    signature = service.models[0].artifact.signature or {}
    return [
        (str(given.get("name", "")), str(given.get("type")))
        for given in signature.get("outputs") or ()
    ]


def _words(outputs: list[tuple[str, str]]) -> str:
    shown = [f"{name} ({kind})" if name else kind for name, kind in outputs[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(outputs) > _SHOWN else "")


@rule("SRV702", "warning", "keeps its shadow from callers without a key")
def guarded_shadow(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    if service.shadow is None or service.spec.api.auth is None:
        return
    if not service.environment.network.policy:
        yield Violation(
            ("shadow",),
            "a shadow asks for no API key, because keys are not copied, and without network policies "
            "every pod of the cluster can reach it",
            f"set network.policy in {service.environment.name}",
        )


@rule("SRV703", "warning", "has a shadow of another version")
def other_version(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    if service.shadow is None:
        return
    ours, theirs = service.models[0].artifact, service.shadow.artifact
    if ours.sha256 and ours.sha256 == theirs.sha256:
        yield Violation(
            ARTIFACT,
            f"{theirs.uri} is the artifact that the model serves itself"
            + (f" (version {ours.version})" if ours.version else ""),
            "remove shadow, or lock another version",
        )


@rule("SRV704", "warning", "has pods for its shadow")
def shadow_with_pods(subject: Subject) -> Iterator[Violation]:
    shadow = subject.service.spec.shadow
    if shadow is not None and shadow.replicas == 0:
        yield Violation(
            ("shadow", "replicas"),
            "without pods every copy is dropped and counted as unreachable",
            "write 1, or remove shadow",
        )
