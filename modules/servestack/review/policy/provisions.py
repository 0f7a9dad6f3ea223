"""Rules on what a model finds in its pod: packages, versions, memory and disk."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.resolve.lock import LockedArtifact
from servestack.review.policy.artifacts import artifact_path
from servestack.review.policy.rule import Subject, Violation, rule
from servestack.review.policy.start import fetched
from servestack.spec.quantities import byte_count
from servestack_contract.loading import Loading, distribution_of
from servestack_contract.mlmodel import SERVED_FLAVORS
from servestack_contract.stock_image import (
    PYTHON,
    VARIANTS,
    packages_in,
    variant_hint,
    variant_with,
)

_OF_MLFLOW = {"python_function", "pyfunc", ""}
_PICKLED_RISK = "a model of another version may fail, or silently give other answers"


def _variant(subject: Subject) -> str:
    """Return the variant of the stock image that the model runs in; "" for an image of its own.

    The project's own images carry the variant at the end of their tag, such as 0.1.0-keras.
    """
    image = subject.service.image
    if subject.service.spec.image is not None or "serving" not in image.repository.split("/")[-1]:
        return ""
    tag = image.tag or ""
    return next((name for name in VARIANTS if tag.endswith(f"-{name}")), "base")


def _needed(artifact: LockedArtifact, loading: Loading) -> list[str]:
    """Return the packages without which the model is not loaded, as far as the lock knows."""
    own = [distribution_of(artifact.flavor)] if artifact.flavor not in _OF_MLFLOW else []
    if artifact.flavor in SERVED_FLAVORS and artifact.flavor != "pytorch":
        return own
    if artifact.flavor == "pyfunc":
        module = loading.module.split(".")
        own = [distribution_of(module[1])] if module[0] == "mlflow" and len(module) == 2 else []
        own = [name for name in own if name != "pyfunc"]
    return list(dict.fromkeys([*own, *loading.packages]))


@rule("SRV631", "warning", "runs in an image that has its packages")
def available_packages(subject: Subject) -> Iterator[Violation]:
    variant = _variant(subject)
    for index, model in fetched(subject):
        if not variant or model.artifact.loading is None:
            continue
        needed = _needed(model.artifact, model.artifact.loading)
        missing = [name for name in needed if name not in packages_in(variant)]
        if not missing:
            continue
        other = variant_with(needed)
        hint = f"use the {other} variant of the image" if other else variant_hint(missing[0])
        yield Violation(
            artifact_path(subject, index),
            f"{model.name} was logged with {', '.join(missing[:5])}, which the {variant} variant of "
            "the stock image does not have",
            hint,
        )


@rule("SRV632", "warning", "runs on the versions that it was trained with")
def trained_versions(subject: Subject) -> Iterator[Violation]:
    variant = _variant(subject)
    for index, model in fetched(subject):
        artifact, loading = model.artifact, model.artifact.loading
        if not variant or loading is None:
            continue
        path = artifact_path(subject, index)
        is_pickled = loading.trust == "pickle" or artifact.flavor == "pyfunc"
        risk = _PICKLED_RISK if is_pickled else "compare its answers on the example"
        if is_pickled and loading.python and not _alike(loading.python, PYTHON):
            yield Violation(
                path,
                f"{model.name} was saved with Python {loading.python}, the stock image has {PYTHON}",
                risk,
            )
        here = packages_in(variant)
        for name in _watched(artifact, loading):
            saved, has = loading.packages.get(name, ""), here.get(name, "")
            if saved and has and not _alike(saved, has):
                yield Violation(
                    path,
                    f"{model.name} was saved with {name} {saved}, the stock image has {has}",
                    risk,
                )


def _watched(artifact: LockedArtifact, loading: Loading) -> list[str]:
    """Return the packages whose version matters: the framework, or those of a pickled object."""
    if artifact.flavor in SERVED_FLAVORS:
        return [distribution_of(artifact.flavor)]
    return [name for name in loading.packages if name != "mlflow"]


def _alike(one: str, other: str) -> bool:
    """Whether major and minor version agree."""
    return one.split(".")[:2] == other.split(".")[:2]


@rule("SRV633", "warning", "serves a version that the registry keeps in use")
def version_in_use(subject: Subject) -> Iterator[Violation]:
    for index, model in fetched(subject):
        if model.artifact.archived:
            yield Violation(
                artifact_path(subject, index),
                f"version {model.artifact.version} of {model.artifact.uri} is archived",
                "name a version that is in use",
            )


@rule("SRV634", "note", "is locked with all that the checks need")
def complete_lock(subject: Subject) -> Iterator[Violation]:
    for index, model in fetched(subject):
        if model.artifact.loading is None:
            yield Violation(
                artifact_path(subject, index),
                "the lock does not say what loading it needs, so trust, packages and versions are "
                "not checked",
                f"lock again: servestack lock {subject.service.environment.name}",
            )


@rule("SRV635", "warning", "has memory and disk for its artifacts")
def enough_room(subject: Subject) -> Iterator[Violation]:
    limits = subject.service.spec.resources.limits
    memory = limits.memory or subject.service.spec.resources.memory
    size_bytes = sum(model.artifact.size_bytes for _, model in fetched(subject))
    if size_bytes > byte_count(memory):
        yield Violation(
            ("resources", "memory"),
            f"the artifacts have {_mebibytes(size_bytes)}, and the server may use {memory} of memory",
            "raise resources.memory: a loaded model is rarely smaller than its files",
        )
    budget = subject.service.spec.logging.disk_budget
    if size_bytes + byte_count(budget) > byte_count(limits.ephemeral_storage):
        yield Violation(
            ("resources", "limits", "ephemeralStorage"),
            f"the artifacts have {_mebibytes(size_bytes)} and events up to {budget}, but the disk "
            f"{limits.ephemeral_storage}",
            "raise resources.limits.ephemeralStorage: the pod would be evicted",
        )


@rule("SRV636", "warning", "loses no event if it refuses requests rather than lose one")
def kept_events(subject: Subject) -> Iterator[Violation]:
    logging = subject.service.spec.logging
    if logging.when_full == "unready" and logging.durability == "buffered":
        yield Violation(
            ("logging", "durability"),
            "logging.whenFull: unready refuses requests whose events cannot be written, but with "
            "durability: buffered a killed server loses the events of its last answers",
            "remove logging.durability: the default writes an event before its answer",
        )


def _mebibytes(size_bytes: int) -> str:
    return f"{-(-size_bytes // 2**20):,}Mi"
