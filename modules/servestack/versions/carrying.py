"""Brings a model's artifacts into the lock of an environment, if they fit what its spec says there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from servestack.errors import Location, Problem, ResolveError, ServestackError
from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Manifest
from servestack.project import Inputs, load_around, lock_file
from servestack.resolve.environment import deployed
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.lock_lines import Lines, line_of
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.service import effective_spec, resolve_service
from servestack.review.findings import Finding, errors, find_in_each
from servestack.review.gate import refuse
from servestack.review.summary import review
from servestack.spec.artifact_uri import ArtifactKind, parse_artifact_uri
from servestack.spec.document import dotted
from servestack.spec.load import Loaded
from servestack.spec.model_files import load_model_files
from servestack.spec.model_service import ModelService, shadow_name

Artifacts = Mapping[str, LockedArtifact]
"""The artifacts of one service by their names."""


@dataclass(frozen=True, slots=True)
class Target:
    """A model in an environment: the project's files, and its spec among them."""

    inputs: Inputs
    spec: Loaded[ModelService]

    @property
    def name(self) -> str:
        return self.spec.value.name

    @property
    def environment(self) -> str:
        return self.inputs.environment.value.name

    @property
    def locked(self) -> Artifacts:
        """The artifacts that the lock has now, the shadow's among them; empty without any."""
        return self.inputs.lock.models.get(self.name, {})

    @property
    def file(self) -> Path:
        """The lock, relative to the project."""
        return lock_file(self.environment)


@dataclass(frozen=True, slots=True)
class Carried:
    """A lock with other artifacts of one service, and what that changes.

    `readdressed` are (name, old address, new address) of artifacts that the spec asks for by another
    address here. `effects` say in words what the change does, `notes` what its reviewer should know.
    """

    lock: Lock
    before: Lines
    after: Lines
    readdressed: tuple[tuple[str, str, str], ...]
    effects: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether the lock already has these versions, under the addresses that the spec has."""
        return self.before == self.after


def find_target(root: Path, environment: str, model: str) -> Target:
    """Load a model in an environment.

    Raises SpecError if a file is not valid, and ResolveError (SRV571) if the environment does not
    serve the model.
    """
    inputs = load_around(root, environment, load_model_files(root))
    problems = [*inputs.lock_problems]
    named = [broken for broken in inputs.files.broken if broken.name in (model, None)]
    there = deployed(inputs.specs, inputs.environment.value)
    found = next((spec for spec in there if spec.value.name == model), None)
    if found is None:
        problems += [problem for broken in named for problem in broken.problems]
        if not problems:
            problems.append(_not_served(inputs, model))
    if problems or found is None:
        raise ResolveError(problems)
    return Target(inputs, found)


def _not_served(inputs: Inputs, model: str) -> Problem:
    environment = inputs.environment.value
    file = inputs.environment.document.file
    if model in environment.exclude:
        place = inputs.environment.document.location(("exclude", environment.exclude.index(model)))
        hint = f"remove it from exclude in {file.as_posix()}"
        return Problem("SRV571", f"{environment.name} does not serve {model}", place, hint=hint)
    names = sorted(spec.value.name for spec in deployed(inputs.specs, environment))
    return Problem(
        "SRV571",
        f"{environment.name} does not serve a model {model!r}",
        hint=f"its models are {', '.join(names) or 'none'}",
    )


def require_locked(target: Target) -> None:
    """Raise ResolveError if the lock lacks an artifact of the model (SRV571), or is stale (SRV201)."""
    if not target.locked:
        raise ResolveError(
            Problem(
                "SRV571",
                f"{target.name} is not locked in {target.environment}",
                Location(target.file),
                hint=f"run `servestack lock {target.environment} --model {target.name}`",
            )
        )
    resolve_service(target.spec, target.inputs.environment, target.inputs.lock)


def carry(target: Target, artifacts: Artifacts, origin: str) -> Carried:
    """Return the target's lock with these artifacts of its model, each under its address there.

    `origin` names where they come from, for messages. The shadow's line stays as it is, since a
    shadow is a trial of its own environment; one that is missing is taken from `artifacts`.

    Raises ResolveError if an artifact is missing (SRV571), if the spec names another one there
    (SRV573), or with what the checks of a rendering find that they do not find now.
    """
    spec, provenance = effective_spec(target.spec, target.inputs.environment)
    chosen: dict[str, LockedArtifact] = {}
    readdressed, problems = [], []
    for index, model in enumerate(spec.artifacts()):
        path = ("artifact",) if spec.models is None else ("models", index, "artifact")
        place = provenance.location(path)
        artifact = artifacts.get(model.name)
        if artifact is None:
            message = f"{origin} has no artifact {model.name!r} of {target.name}"
            hint = "the model services must have the same models"
            problems.append(Problem("SRV571", message, place, dotted(path), hint))
            continue
        reason = why_not_under(artifact, model.artifact)
        if reason:
            message = f"{target.environment} asks for {model.artifact}: {reason}"
            hint = _hint(artifact, model.artifact, target.environment)
            problems.append(Problem("SRV573", message, place, dotted(path), hint))
            continue
        if artifact.uri != model.artifact:
            readdressed.append((model.name, artifact.uri, model.artifact))
        chosen[model.name] = msgspec.structs.replace(artifact, uri=model.artifact)
    if problems:
        raise ResolveError(problems)
    of_shadow = shadow_name(target.name)
    if spec.shadow is not None:
        kept = target.locked.get(of_shadow) or artifacts.get(of_shadow)
        if kept is not None and not why_not_under(kept, spec.shadow.artifact):
            chosen[of_shadow] = msgspec.structs.replace(kept, uri=spec.shadow.artifact)
    lock = Lock(target.environment, {**target.inputs.lock.models, target.name: chosen})
    effects = _check(target, lock)
    return Carried(
        lock,
        _lines(target.locked, target.name),
        _lines(chosen, target.name),
        tuple(readdressed),
        effects,
        tuple(_notes(target, chosen, readdressed)),
    )


def why_not_under(artifact: LockedArtifact, address: str) -> str:
    """Return why an address cannot stand for a locked artifact; empty if it can.

    It can if it is the artifact's own, or names the same registered model by an alias, by a stage, or
    by exactly this version: such an address may well come to stand for it.
    """
    if artifact.uri == address:
        return ""
    old, new = parse_artifact_uri(artifact.uri), parse_artifact_uri(address)
    registered = ArtifactKind.REGISTERED
    if (old.kind, new.kind) != (registered, registered) or old.name != new.name:
        return f"that is another artifact than {artifact.uri}"
    if new.version and new.version != artifact.version:
        return f"that is not version {artifact.version}"
    return ""


def _hint(artifact: LockedArtifact, address: str, environment: str) -> str:
    new = parse_artifact_uri(address)
    if new.version and artifact.version:
        return f"write models:/{new.name}/{artifact.version} here, and repeat the command"
    if new.kind is ArtifactKind.REGISTERED:
        copied = "copy the version in MLflow with copy_model_version"
        return f"{copied}, and run `servestack lock {environment}`"
    return f"name the same artifact here, or run `servestack lock {environment}`"


def _notes(target: Target, chosen: Artifacts, readdressed: list[tuple[str, str, str]]) -> list[str]:
    """What the next `servestack lock` will ask, where the answer may be another version."""
    notes = []
    moved = {name for name, _, _ in readdressed}
    for name, artifact in sorted(chosen.items()):
        uri = parse_artifact_uri(artifact.uri)
        if name == shadow_name(target.name) or uri.kind is not ArtifactKind.REGISTERED:
            continue
        if uri.alias:
            client = (
                f'set_registered_model_alias("{uri.name}", "{uri.alias}", "{artifact.version}")'
            )
            verb = "move the alias too" if name in moved else "let the alias name it"
            notes.append(
                f"{artifact.uri}: the next `servestack lock {target.environment}` takes the version "
                f"that the alias names then; {verb}: MlflowClient().{client}"
            )
        elif uri.stage:
            notes.append(
                f"{artifact.uri}: the next `servestack lock {target.environment}` takes the version "
                f"of that stage; move version {artifact.version} there too"
            )
    return notes


def _check(target: Target, lock: Lock) -> tuple[str, ...]:
    """Return what the change does, in words.

    Raises ResolveError with what does not fit the spec, or with findings of severity error that the
    lock of now does not have.
    """
    environment = target.inputs.environment
    after = resolve_service(target.spec, environment, lock)
    new = build_service_manifests(after)
    try:
        before = resolve_service(target.spec, environment, target.inputs.lock)
        old: list[Manifest] = build_service_manifests(before)
        known = _texts(_findings(target, before, old))
    except ServestackError:
        old, known = [], set()  # The model is not locked yet, or its lock does not fit.
    found = _findings(target, after, new)
    refuse(finding for finding in found if (finding.id, finding.field) not in known)
    groups = review(target.environment, "", old, new).groups if old else ()
    return tuple(effect for group in groups for effect in group.effects)


def _findings(
    target: Target, service: ResolvedService, manifests: list[Manifest]
) -> tuple[Finding, ...]:
    return errors(find_in_each((service,), manifests, target.inputs.environment.document))


def _texts(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(finding.id, finding.field) for finding in findings}


def _lines(artifacts: Artifacts, model: str) -> Lines:
    """The artifacts of the model itself, in the order of their names."""
    names = sorted(name for name in artifacts if name != shadow_name(model))
    return tuple(line_of(name, artifacts[name]) for name in names)
