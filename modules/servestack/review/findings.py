"""What `check` finds: schema faults and violations of the policy, at the spec's line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from servestack.errors import Location, Problem
from servestack.manifests.manifest import ENVIRONMENT_GROUP, Manifest
from servestack.manifests.shadow import SHADOW
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.shadow import shadow_service
from servestack.review.diff import path_text
from servestack.review.patched import place_of_patch
from servestack.review.policy.registry import OF_ARTIFACTS, RULES
from servestack.review.policy.rule import Path, Rule, Severity, Subject
from servestack.review.validate import validate
from servestack.secrets.search import masked_text
from servestack.spec.document import Document, dotted

SCHEMA_ID = "SRV501"
NAME_ID = "SRV502"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `field` is a path in the file at `location`, `model` empty for the environment.

    Like a Problem, it shows no credential.
    """

    id: str
    severity: Severity
    model: str
    message: str
    location: Location
    field: str = ""
    hint: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "field", "hint"):
            object.__setattr__(self, name, masked_text(getattr(self, name)))

    def as_problem(self) -> Problem:
        """The finding as part of an error."""
        return Problem(self.id, self.message, self.location, self.field, self.hint)


def find(
    services: Sequence[ResolvedService], manifests: Sequence[Manifest], environment: Document
) -> tuple[Finding, ...]:
    """Every finding in the order of files and lines. The environment's findings are listed once."""
    findings = find_in_each(services, manifests, environment)
    return in_order([*findings, *find_taken_names(services, [name_of(m) for m in manifests])])


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of files and lines, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=_order))


def find_in_each(
    services: Sequence[ResolvedService], manifests: Sequence[Manifest], environment: Document
) -> list[Finding]:
    """What is found by looking at each model for itself."""
    by_group: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_group.setdefault(manifest.group, []).append(manifest)
    findings: list[Finding] = []
    for manifest in by_group.pop(ENVIRONMENT_GROUP, []):
        findings += _schema_findings(manifest, "", environment.location())
    for service in services:
        subject = Subject(service, tuple(by_group.get(service.name, ())))
        of_patches = False
        for manifest in subject.manifests:
            faults = list(_service_schema_findings(service, manifest))
            of_patches = of_patches or bool(faults and manifest.patches)
            findings += faults
        if not of_patches:
            # The rules read objects as they should be, and a patch can make anything of them.
            findings += _violations(subject, environment)
    return findings


Name = tuple[str, str, str, str, str]
"""An object's kind, namespace and name; its group and source."""


def name_of(manifest: Manifest) -> Name:
    """What `find_taken_names` needs of a manifest."""
    return manifest.kind, manifest.namespace, manifest.name, manifest.group, manifest.source


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that keep a model from being rendered."""
    return tuple(finding for finding in findings if finding.severity == "error")


def _service_schema_findings(service: ResolvedService, manifest: Manifest) -> Iterator[Finding]:
    for fault in validate(manifest.body):
        message = f"{manifest.kind} {manifest.name}: {path_text(fault.path)}: {fault.message}"
        location, field, hint = service.provenance.file, "", ""
        path = (*fault.path, *fault.unknown[:1])
        if place := place_of_patch(manifest, path):
            location, field, hint = place, "patches", "correct the patch in this line"
        yield Finding(SCHEMA_ID, "error", service.name, message, location, field, hint)


def _schema_findings(manifest: Manifest, model: str, location: Location) -> Iterator[Finding]:
    for fault in validate(manifest.body):
        message = f"{manifest.kind} {manifest.name}: {path_text(fault.path)}: {fault.message}"
        yield Finding(SCHEMA_ID, "error", model, message, location)


def find_taken_names(
    services: Sequence[ResolvedService], names: Iterable[Name]
) -> Iterator[Finding]:
    """Objects that have another object's name: applying one would overwrite the other."""
    groups = {service.name: service for service in services}
    first: dict[tuple[str, str, str], Name] = {}
    for name in names:
        other = first.setdefault(name[:3], name)
        if other is not name:
            kind, _, object_name, group, _ = name
            message = f"{kind} {object_name} already belongs to {other[4]}"
            hint = "give the model another name"
            where = groups[group].provenance.location(("name",))
            yield Finding(NAME_ID, "error", group, message, where, "name", hint)


def _violations(subject: Subject, environment: Document) -> Iterator[Finding]:
    yield from _broken(subject, RULES, environment, lambda path: path)
    shadow = shadow_service(subject.service)
    if shadow is not None:
        own = tuple(manifest for manifest in subject.manifests if manifest.concern == SHADOW)
        yield from _broken(
            Subject(shadow, own),
            OF_ARTIFACTS,
            environment,
            partial(_place_of_shadow, subject.service),
        )


def _place_of_shadow(service: ResolvedService, path: Path) -> Path:
    """The field of the spec that a rule means when it looks at the shadow as a service."""
    if path == ("artifact",):
        return ("shadow", "artifact")
    has_own = service.spec.shadow is not None and service.spec.shadow.resources is not None
    return ("shadow", *path) if path[:1] == ("resources",) and has_own else path


def _broken(
    subject: Subject, rules: Iterable[Rule], environment: Document, place: Callable[[Path], Path]
) -> Iterator[Finding]:
    """The violations of rules. `place` is the field in the model's spec of one that a rule names."""
    service = subject.service
    model = service.shadow_of or service.name
    for rule in rules:
        for violation in rule.check(subject):
            path = violation.path if violation.environment else place(violation.path)
            if violation.environment:
                where, group = environment.location(path), ""
            else:
                where, group = service.provenance.location(path), model
                path = service.provenance.field(path)
            yield Finding(
                rule.id,
                rule.severity,
                group,
                violation.message,
                where,
                dotted(path),
                violation.hint,
            )


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    place = finding.location
    return (str(place.file), place.line, place.column, finding.id, finding.message)
