"""The lock: what the world answered, written down so that renders reproduce.

`stacks/<env>.lock.yaml` is YAML, but every artifact is one line whose value is a JSON object,
so that a moved alias is one changed line in review, and a thousand models read in milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
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
models:
"""
_SERVICE = re.compile(r"  ([a-z]([-a-z0-9]*[a-z0-9])?):")
_ARTIFACT = re.compile(r"    ([a-z]([-a-z0-9]*[a-z0-9])?): (\{.*\})")
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
    head = _HEAD.format(environment=environment)
    lines = text.splitlines()
    for number, (line, wanted) in enumerate(zip(lines, head.splitlines(), strict=False), start=1):
        if line != wanted:
            raise _broken(file, number, line, environment, f"must be `{wanted}`")
    models: dict[str, dict[str, LockedArtifact]] = {}
    service: dict[str, LockedArtifact] | None = None
    for number, line in enumerate(lines[5:], start=6):
        if match := _ARTIFACT.fullmatch(line):
            if service is None or match[1] in service:
                raise _broken(file, number, line, environment, "is out of place or written twice")
            try:
                service[match[1]] = _read_artifact(match[3])
            except ValueError as error:
                raise _broken(file, number, line, environment, str(error)) from None
        elif match := _SERVICE.fullmatch(line):
            if match[1] in models:
                raise _broken(file, number, line, environment, "is written twice")
            service = models[match[1]] = {}
        else:
            raise _broken(file, number, line, environment, "is not a line of a lock")
    return Lock(environment, models)


def _read_artifact(text: str) -> LockedArtifact:
    try:
        data = json.loads(text)
    except ValueError:
        raise ValueError("is not valid JSON") from None
    unknown = sorted(set(data) - set(_KEYS))
    if unknown:
        raise ValueError(f"holds the unknown key {unknown[0]!r}")
    if not isinstance(data.get("uri"), str):
        raise ValueError("lacks the key 'uri'")
    if data.get("sha256") and not _SHA256.fullmatch(str(data["sha256"])):
        raise ValueError("sha256 must be 64 hexadecimal digits")
    return LockedArtifact(**{_KEYS[key]: value for key, value in data.items()})


def _broken(file: Path, line: int, text: str, environment: str, message: str) -> SpecError:
    if text.startswith(_CONFLICT):
        message = "is a mark of a merge conflict"
    return SpecError(
        Problem(
            "SRV212",
            message,
            Location(file, line),
            hint=f"take either side, then run `servestack lock {environment}`",
        )
    )


def dump_lock(lock: Lock) -> str:
    """The lock as text: services and artifacts by name, one line an artifact."""
    return "".join([_HEAD.format(environment=lock.environment), *_lines(lock)])


def _lines(lock: Lock) -> Iterator[str]:
    for service, artifacts in sorted(lock.models.items()):
        yield f"  {service}:\n"
        for name, artifact in sorted(artifacts.items()):
            data: dict[str, Any] = {key: getattr(artifact, at) for key, at in _KEYS.items()}
            kept = {key: value for key, value in data.items() if value}
            yield f"    {name}: {json.dumps(kept, ensure_ascii=False)}\n"


def write_lock(file: Path, lock: Lock) -> bool:
    """Write a lock whole or not at all; False where it already says the same."""
    text = dump_lock(lock)
    try:
        if file.exists() and file.read_text(encoding="utf-8") == text:
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
