"""The lock: what the world answered, written down so that renders reproduce.

`stacks/<env>.lock.yaml` is YAML, but every artifact is one line whose value is a JSON object,
so that a moved alias is one changed line in review, and a thousand models read in milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from servestack.errors import Location, Problem, SpecError
from servestack.files import write_atomically


@dataclass(frozen=True, slots=True)
class LockedArtifact:
    """One artifact, pinned. Strings are empty where the registry has nothing to say.

    `uri` is the address as the spec writes it, `source` where the bytes are, `format` one of
    pickle, skops, onnx, native, `sha256` the tree digest (`servestack.resolve.digest`) in hex,
    `signature` MLflow's: {"inputs": [...], "outputs": [...]}, each a list of
    {"name", "type", "required"} or {"type": "tensor", "tensor-spec": {"dtype", "shape"}}.
    """

    uri: str
    version: str = ""
    run_id: str = ""
    source: str = ""
    flavor: str = ""
    format: str = ""
    sha256: str = ""
    size_bytes: int = 0
    signature: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """All artifacts of one environment: model service → model → artifact."""

    environment: str
    models: dict[str, dict[str, LockedArtifact]] = field(default_factory=dict)


_HEAD = """# Written by `servestack lock {environment}`. Do not edit: change the spec and lock again.
apiVersion: servestack/v1
kind: Lock
environment: {environment}
models:"""
_HEAD_LINES = _HEAD.count("\n") + 1
_SERVICE = re.compile(r"  (?P<quote>\"?)(?P<name>[a-z]([-a-z0-9]*[a-z0-9])?)(?P=quote):")
_ARTIFACT = re.compile(_SERVICE.pattern.replace("  ", "    ", 1) + r" (?P<facts>\{.*\})")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Names that YAML 1.1 reads as something else."""
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""What JSON lets stand in a string, and YAML folds, refuses or drops."""
_KEYS = {
    "uri": "uri",
    "version": "version",
    "runId": "run_id",
    "source": "source",
    "flavor": "flavor",
    "format": "format",
    "sha256": "sha256",
    "sizeBytes": "size_bytes",
    "signature": "signature",
}
_KINDS = {str: "text", int: "a whole number", dict: "an object"}
_NO_ARTIFACT = "has no artifact below it"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


def read_lock(file: Path, environment: str) -> Lock:
    """Read a lock; without a file it is empty. SpecError where it is not as it was written."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock(environment)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(Problem("SRV211", f"cannot be read: {error}", Location(file))) from None
    if text == dump_lock(Lock(environment)):
        return Lock(environment)
    # Not splitlines(): it also splits at characters that may stand inside a JSON string.
    lines = text.removesuffix("\n").split("\n")
    head = _HEAD.format(environment=environment).split("\n")
    for number, (line, wanted) in enumerate(
        zip_longest(lines[:_HEAD_LINES], head, fillvalue=""), start=1
    ):
        if line != wanted:
            raise _broken(file, number, line, environment, f"must be `{wanted}`")
    models: dict[str, dict[str, LockedArtifact]] = {}
    service: dict[str, LockedArtifact] | None = None
    for number, line in enumerate(lines[_HEAD_LINES:], start=_HEAD_LINES + 1):
        if match := _ARTIFACT.fullmatch(line):
            if service is None or match["name"] in service:
                raise _broken(file, number, line, environment, "is out of place or written twice")
            try:
                service[match["name"]] = _read_artifact(match["facts"])
            except ValueError as error:
                raise _broken(file, number, line, environment, str(error)) from None
        elif match := _SERVICE.fullmatch(line):
            if match["name"] in models:
                raise _broken(file, number, line, environment, "is written twice")
            if service == {}:
                raise _broken(file, number - 1, "", environment, _NO_ARTIFACT)
            service = models[match["name"]] = {}
        else:
            raise _broken(file, number, line, environment, "is not a line of a lock")
    if not service:
        raise _broken(file, len(lines), "", environment, _NO_ARTIFACT)
    return Lock(environment, models)


def _read_artifact(text: str) -> LockedArtifact:
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except LookupError:
        raise ValueError("holds a key twice") from None
    except (ValueError, RecursionError):
        raise ValueError("is not valid JSON") from None
    unknown = sorted(set(data) - set(_KEYS))
    if unknown:
        raise ValueError(f"holds the unknown key {unknown[0]!r}")
    if not data.get("uri"):
        raise ValueError("lacks the key 'uri'")
    for key, value in data.items():
        wanted = {"sizeBytes": int, "signature": dict}.get(key, str)
        if type(value) is not wanted:
            raise ValueError(f"{key} must be {_KINDS[wanted]}")
    if "sha256" in data and not _SHA256.fullmatch(data["sha256"]):
        raise ValueError("sha256 must be 64 hexadecimal digits")
    if data.get("sizeBytes", 0) < 0:
        raise ValueError("sizeBytes must not be negative")
    return LockedArtifact(**{_KEYS[key]: value for key, value in data.items()})


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise LookupError
    return data


def _broken(file: Path, line: int, text: str, environment: str, message: str) -> SpecError:
    if text.startswith(_CONFLICT):
        message = "is a mark of a merge conflict"
    return SpecError(
        Problem(
            "SRV212",
            message,
            Location(file, line),
            hint=f"run `servestack lock {environment}` again: it writes the whole file anew",
        )
    )


def dump_lock(lock: Lock) -> str:
    """The lock as text: services and artifacts by name, one line an artifact."""
    head = _HEAD.format(environment=lock.environment)
    return "".join([head, "\n" if lock.models else " {}\n", *_lines(lock)])


def _lines(lock: Lock) -> Iterator[str]:
    for service, artifacts in sorted(lock.models.items()):
        yield f"  {_key(service)}:\n"
        for name, artifact in sorted(artifacts.items()):
            data: dict[str, Any] = {key: getattr(artifact, at) for key, at in _KEYS.items()}
            kept = {key: value for key, value in data.items() if value}
            text = _ESCAPED.sub(_escape, json.dumps(kept, ensure_ascii=False))
            yield f"    {_key(name)}: {text}\n"


def _key(name: str) -> str:
    return f'"{name}"' if name in _NOT_TEXT else name


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def write_lock(file: Path, lock: Lock) -> bool:
    """Write a lock whole or not at all; False where it already says the same."""
    text = dump_lock(lock)
    try:
        if file.exists() and file.read_bytes() == text.encode():
            return False
        write_atomically(file, text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SpecError(
            Problem(
                "SRV213", f"cannot be written: {reason}", Location(file), hint="it is as before"
            )
        ) from None
    return True
