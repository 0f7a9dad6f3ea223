"""The causes of a diff: the fields of specs, environment and lock that somebody changed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from servestack.manifests.manifest import ENVIRONMENT_GROUP
from servestack.project import Inputs
from servestack.review.diff import Path, compare_data, path_text
from servestack.review.mask import masked_at


def causes_of(old: Inputs, new: Inputs) -> dict[str, tuple[str, ...]]:
    """The changed fields by model, in words: `models/iris.yaml: autoscaling.min 3 → 4`.

    What concerns every model is listed under ENVIRONMENT_GROUP.
    """
    before, after = _files(old), _files(new)
    causes: dict[str, list[str]] = {}
    for file in sorted({*before, *after}):
        owners = after.get(file, before.get(file, _File((), None))).groups
        for _, path, was, now in compare_data(_data(before, file), _data(after, file)):
            if file.endswith(_LOCK) and path and path[-1] not in _TELLING:
                continue
            name = path_text(path[1:] if file.endswith(_LOCK) else path)
            field = f" {name}" if name else ""
            for group in dict.fromkeys(_group_of(owner, file, path) for owner in owners):
                causes.setdefault(group, []).append(
                    f"{file}:{field} {_words(path, was)} → {_words(path, now)}"
                )
    return {group: tuple(lines) for group, lines in causes.items()}


_LOCK = ".lock.yaml"
_TELLING = ("version", "sha256")
"""The fields of a locked artifact that show the reader that it is another one."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file's data, and the groups that it concerns."""

    groups: tuple[str, ...]
    data: Any


def _files(inputs: Inputs) -> dict[str, _File]:
    """Every file of a project by its path."""
    environment = inputs.environment.document
    files = {environment.file.as_posix(): _File((ENVIRONMENT_GROUP,), environment.data)}
    for spec in inputs.specs:
        files[spec.document.file.as_posix()] = _File((spec.value.name,), spec.document.data)
        for folder in spec.folders:
            file = folder.file.as_posix()
            others = files[file].groups if file in files else ()
            files[file] = _File((*others, spec.value.name), folder.data)
    locked = {
        service: msgspec.to_builtins(artifacts) for service, artifacts in inputs.lock.models.items()
    }
    files[environment.file.with_suffix(_LOCK).as_posix()] = _File((ENVIRONMENT_GROUP,), locked)
    return files


def _data(files: dict[str, _File], file: str) -> Any:
    return files[file].data if file in files else {}


def _group_of(owner: str, file: str, path: Path) -> str:
    """The model that a change concerns: the lock's and the overrides' paths name it."""
    if file.endswith(_LOCK) and path:
        return str(path[0])
    if (
        owner == ENVIRONMENT_GROUP
        and path[:1] == ("overrides",)
        and len(path) > 1
        and path[1] != "*"
    ):
        return str(path[1])
    return owner


def _words(path: Path, value: Any) -> str:
    if value is None:
        return "nothing"
    shown = masked_at(path, value)
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text[:12]
    return text if len(text) <= 60 else f"{text[:59]}…"
