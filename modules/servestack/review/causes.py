"""What was changed by hand: fields of specs, environment and lock, the causes of a diff."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from servestack.build.manifest import ENVIRONMENT_GROUP
from servestack.project import Inputs
from servestack.review.changes import compare_data, path_text
from servestack.review.mask import masked


def causes_of(old: Inputs, new: Inputs) -> dict[str, tuple[str, ...]]:
    """By model (or environment) the changed fields in words: `models/iris.yaml: min 3 → 4`."""
    causes: dict[str, list[str]] = {}
    for group in sorted({*_inputs(old), *_inputs(new)}):
        before, after = _inputs(old).get(group, {}), _inputs(new).get(group, {})
        for file in sorted({*before, *after}):
            for _, path, was, now in compare_data(before.get(file), after.get(file)):
                if file.endswith(".lock.yaml") and path and path[-1] not in ("version", "sha256"):
                    continue
                words = f"{_words(was)} → {_words(now)}"
                field = f" {path_text(path)}" if path else ""
                causes.setdefault(group, []).append(f"{file}:{field} {words}")
    return {group: tuple(lines) for group, lines in causes.items()}


def _inputs(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """Group → file → data."""
    environment = inputs.environment.document
    found: dict[str, dict[str, Any]] = {
        ENVIRONMENT_GROUP: {environment.file.as_posix(): environment.data}
    }
    for spec in inputs.specs:
        found[spec.value.name] = {spec.document.file.as_posix(): spec.document.data}
    lock_file = environment.file.with_suffix(".lock.yaml").as_posix()
    for service, artifacts in inputs.lock.models.items():
        data = {name: _locked(artifact) for name, artifact in artifacts.items()}
        found.setdefault(service, {})[lock_file] = data
    return found


def _locked(artifact: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(artifact).items() if value}


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    text = str(masked(value))
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text[:12]
    return text if len(text) <= 60 else f"{text[:59]}…"
