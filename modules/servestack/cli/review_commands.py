"""`servestack diff`, `check`, `explain`."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from servestack.claims import find_claims
from servestack.cli.output import wants_color, write
from servestack.errors import Problem, SpecError
from servestack.manifests.manifest import Manifest
from servestack.manifests.patches import PATCHES
from servestack.project import RENDERED_FOLDER, Built, build_environment, chosen_environments
from servestack.review import check_reports, reports
from servestack.review.causes import causes_of
from servestack.review.diff import path_text
from servestack.review.effects.environment import environment_changes
from servestack.review.findings import errors, find
from servestack.review.gate import claim_findings
from servestack.review.mask import masked_at
from servestack.review.patched import patched_fields
from servestack.review.summary import FieldReview, Review, review
from servestack.spec.model_files import Selection, load_model_files


def diff(
    root: Path,
    names: list[str] | None,
    against: str | None,
    output: str,
    fail_on: Collection[str] = (),
    selection: Selection | None = None,
) -> int:
    """Print a review of each environment, or of the selected models in it.

    Returns `exit_code` of the reviews.
    """
    results = []
    for name in chosen_environments(root, names):
        built = build_environment(root, name, selection)
        result = _against_revision(built, name, against) if against else _against_files(built, name)
        write_review(result, output)
        results.append(result)
    return exit_code(results, fail_on)


def exit_code(results: Sequence[Review], fail_on: Collection[str] = ()) -> int:
    """The exit code of `diff`: 2 if something changes, else 0.

    With `fail_on` it is 3 if a change has one of these categories, else 0.
    """
    if fail_on:
        found = {category for result in results for category in result.categories}
        return 3 if found.intersection(fail_on) else 0
    return 2 if any(not result.is_empty for result in results) else 0


def write_review(result: Review, output: str) -> None:
    """Print a review as `text`, `json` or `github`."""
    if output == "json":
        write(reports.to_json(result))
    elif output == "github":
        write(reports.to_github(result))
    else:
        write(reports.to_text(result, color=wants_color(sys.stdout)))


def _against_files(built: Built, name: str) -> Review:
    from servestack.render.tree import read_tree

    folder = RENDERED_FOLDER / name
    old = read_tree(built.inputs.root / folder)
    return review(name, str(folder), _covered(old, built), built.manifests)


def _against_revision(built: Built, name: str, revision: str) -> Review:
    from servestack.revision import build_at_revision

    old = build_at_revision(built.inputs.root, name, revision)
    if old is None:
        return review(name, revision, (), built.manifests)
    causes = causes_of(old.inputs, built.inputs)
    settings = [
        FieldReview(change, effects)
        for change, effects in environment_changes(old.environment, built.environment)
        if built.selection is None
    ]
    before = _covered(old.manifests, built)
    return review(name, revision, before, built.manifests, causes, settings)


def _covered(manifests: tuple[Manifest, ...], built: Built) -> tuple[Manifest, ...]:
    return tuple(manifest for manifest in manifests if built.covers(manifest.group))


def check(
    root: Path, names: list[str] | None, output: str, selection: Selection | None = None
) -> int:
    """Print the findings of each environment, or of the selected models in it.

    Returns exit code 1 if one is an error, else 0.
    """
    failed = False
    chosen = chosen_environments(root, names)
    claims = find_claims(root, chosen)
    for name in chosen:
        built = build_environment(root, name, selection)
        found = find(built.services, built.manifests, built.inputs.environment.document)
        findings = (*claim_findings(claims, name), *found)
        failed = failed or bool(errors(findings))
        if output == "text":
            write(check_reports.to_text(findings, name, color=wants_color(sys.stdout)))
        else:
            to = {
                "json": check_reports.to_json,
                "github": check_reports.to_github,
                "sarif": check_reports.to_sarif,
            }[output]
            write(to(findings, name))
    return 1 if failed else 0


def explain(project: Path | None, subject: str, environment: str | None, field: str) -> None:
    """Explain a rendered file, a value of a model in an environment, or a field of the spec."""
    if subject.endswith(".yaml"):
        _explain_file(Path(subject))
    elif environment is None:
        from servestack.spec.reference import describe_field

        write(describe_field(subject))
    else:
        _explain_value(project, subject, environment, field)


def _explain_value(project: Path | None, model: str, environment: str, field: str) -> None:
    from servestack.project import find_root
    from servestack.resolve.environment import deployed
    from servestack.review.explain import explain as explain_field
    from servestack.spec.document import dotted

    root = find_root(project)
    names = {spec.value.name for spec in load_model_files(root).specs}
    built = build_environment(root, environment, Selection((model,)) if model in names else None)
    service = next((service for service in built.services if service.name == model), None)
    if service is None:
        there = deployed(built.inputs.specs, built.environment)
        known = ", ".join(spec.value.name for spec in there) or "none"
        raise SpecError(
            Problem("SRV152", f"{environment} has no model {model!r}", hint=f"its models: {known}")
        )
    for entry in explain_field(service, field):
        shown = partial(_shown, entry.path)
        write(f"{dotted(entry.path)} = {shown(entry.value)}  ({entry.winner})\n")
        if "env" in entry.path and (public := service.spec.public_variables()):
            write(f"    public, as the owner says: {', '.join(public)}\n")
        if not field:
            continue
        if not entry.is_entry:
            write(f"    default: {shown(entry.default)}\n")
        for origin in entry.origins:
            note = "  (replaced)" if origin.hidden else ""
            write(f"    {origin.layer}: {shown(origin.value)}  {origin.location}{note}\n")
    if not field or field.partition("[")[0] == "patches":
        _write_patched(built, model)


def _write_patched(built: Built, model: str) -> None:
    """Print the fields of a model's objects that come from patches, each with its line."""
    for manifest in built.manifests:
        if manifest.group == model:
            for path, place in patched_fields(manifest):
                write(f"{manifest.kind}/{manifest.name}: {path_text(path)}  (patch, {place})\n")


def _shown(path: tuple[str | int, ...], value: object) -> str:
    """A value in one line, as a spec has it: text without quotes, the rest as JSON."""
    plain = json.loads(json.dumps(value, default=_plain))
    hidden = masked_at(path, plain)
    if hidden != plain:
        return str(hidden)
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(section: object) -> object:
    from pydantic import BaseModel

    if isinstance(section, BaseModel):
        return section.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return str(section)


def _explain_file(file: Path) -> None:
    from servestack.render.tree import read_manifest

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(Problem("SRV153", f"{file} cannot be read: {error.strerror}")) from None
    manifest = read_manifest(text, file.name, file)
    write(f"{manifest.kind} {manifest.name}\n")
    write(f"    from {manifest.source or 'an unknown file'}\n")
    write(f"    by {manifest.builder or 'an unknown builder'}\n")
    if patches := manifest.body["metadata"].get("annotations", {}).get(PATCHES):
        write(f"    patched by {patches}\n")
