"""Renders an environment: loaded, resolved, built, checked and written as text, by all cores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from servestack.cores import in_parts
from servestack.manifests.assemble import build_environment_manifests, build_service_manifests
from servestack.project import Inputs, Resolved, load_resolved
from servestack.render.tree import Texts, to_texts
from servestack.resolve.resolved import ResolvedService
from servestack.review.findings import (
    Finding,
    Name,
    find_in_each,
    find_taken_names,
    in_order,
    name_of,
)
from servestack.review.gate import refuse
from servestack.spec.model_files import Selection


def render_checked(
    root: Path, environment: str, selection: Selection | None = None
) -> tuple[Resolved, Texts]:
    """The files of an environment, or of the selected models of it, none of them written yet.

    A model's objects are kept as text alone, which takes a third of their memory. Raises
    ServestackError with all problems, or with every finding of severity error.
    """
    resolved = load_resolved(root, environment, selection)
    inputs, services = resolved.inputs, resolved.services
    source = inputs.environment.document.file.as_posix()
    own = build_environment_manifests(resolved.environment, source) if selection is None else []
    findings = find_in_each((), own, inputs.environment.document)
    names = [name_of(manifest) for manifest in own]
    texts = to_texts(own)
    for part in in_parts(services, partial(_render, inputs)):
        findings += part[0]
        names += part[1]
        texts |= part[2]
    findings += find_taken_names(services, names)
    refuse(in_order(findings))
    return resolved, texts


def _render(
    inputs: Inputs, services: Sequence[ResolvedService]
) -> tuple[list[Finding], list[Name], Texts]:
    """What is found in some of the models, their objects' names, and their files."""
    findings: list[Finding] = []
    names: list[Name] = []
    texts: Texts = {}
    for service in services:
        manifests = build_service_manifests(service)
        findings += find_in_each((service,), manifests, inputs.environment.document)
        names += [name_of(manifest) for manifest in manifests]
        texts |= to_texts(manifests)
    return findings, names, texts
