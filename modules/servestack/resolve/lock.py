"""The lock file: what the registry answered, written down so that every render is the same.

`stacks/<env>.lock.yaml` is YAML in which each artifact is one line, whose value is a JSON object.
A moved alias is then one changed line in review. Only such files are read (docs/adr/0001).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import msgspec

from servestack.errors import Location, Problem, SpecError
from servestack.files import write_atomically
from servestack.secrets.search import find_secrets
from servestack.secrets.tokens import Rule, rules_for
from servestack_contract.loading import Loading


class LockedArtifact(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """One artifact, pinned. Strings are empty where the registry says nothing.

    `uri` is the address as the spec writes it, `source` the address of the bytes, `format` one of
    pickle, skops, onnx, native, `sha256` the tree digest (`servestack_contract.artifact`) in hex,
    `signature` MLflow's: {"inputs": [...], "outputs": [...]}, each a list of
    {"name", "type", "required"} or {"type": "tensor", "tensor-spec": {"dtype", "shape"}}, and
    {"params": [...]} with {"name", "type", "default", "shape"} if the model has any. `archived` is
    set for a version that the registry keeps as no longer in use, and the address names all the same.
    `profile` is set if the artifact brings a profile for the watch for drift
    (`servestack_contract.profile`). `loading` says what loading it needs of the spec and the image; None in a lock of an older version.
    """

    uri: Annotated[str, msgspec.Meta(min_length=1)]
    version: str = ""
    run_id: str = ""
    source: str = ""
    flavor: str = ""
    format: str = ""
    sha256: str = ""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    signature: dict[str, Any] | None = None
    archived: bool = False
    loading: Loading | None = None
    profile: bool = False

    def __post_init__(self) -> None:
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256 must be 64 hexadecimal digits")


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
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Names that YAML 1.1 reads as something else."""
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""Characters that JSON allows in a string, and that YAML folds, refuses or drops."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


def read_lock(file: Path, environment: str) -> Lock:
    """Read the lock of an environment. It is empty if there is no file.

    Raises SpecError at the first line that `servestack lock` would not have written, and for a
    credential in it (SRV107).
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock(environment)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(Problem("SRV211", f"cannot be read: {error}", Location(file))) from None
    if text == dump_lock(Lock(environment)):
        return Lock(environment)

    def broken(line: int, message: str) -> SpecError:
        hint = f"run `servestack lock {environment}` again: it writes the whole file"
        return SpecError(Problem("SRV212", message, Location(file, line), hint=hint))

    # splitlines() would also split at characters that a JSON string may hold.
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if line.startswith(_CONFLICT):
            raise broken(number, "is a mark of a merge conflict")
    head = _HEAD.format(environment=environment).split("\n")
    for number, (line, wanted) in enumerate(
        zip_longest(lines[:_HEAD_LINES], head, fillvalue=""), start=1
    ):
        if line != wanted:
            raise broken(number, f"must be `{wanted}`")
    rules = rules_for(text)
    models: dict[str, dict[str, LockedArtifact]] = {}
    artifacts: dict[str, LockedArtifact] | None = None
    for number, line in enumerate(lines[_HEAD_LINES:], start=_HEAD_LINES + 1):
        key, _, facts = line.strip().partition(": ")
        name = key.removesuffix(":").strip('"')
        if name and line == f"  {key_text(name)}:":
            if name in models:
                raise broken(number, "is written twice")
            if artifacts == {}:
                raise broken(number - 1, "has no artifact below it")
            artifacts = models[name] = {}
        elif name and facts.startswith("{") and line == f"    {key_text(name)}: {facts}":
            if artifacts is None or name in artifacts:
                raise broken(number, "is out of place or written twice")
            try:
                artifacts[name] = read_artifact(facts)
            except ValueError as error:
                raise broken(number, str(error)) from None
            _refuse_secrets(artifacts[name], Location(file, number), rules)
        else:
            raise broken(number, "is not a line of a lock")
    if not artifacts:
        raise broken(len(lines), "has no artifact below it")
    return Lock(environment, models)


def read_artifact(text: str) -> LockedArtifact:
    """Read the facts of one artifact, the JSON object of its line.

    Raises ValueError for facts that this version of servestack does not write.
    """
    try:
        # Not msgspec's own decoder, which keeps the last of a key that stands twice.
        facts = json.loads(text, object_pairs_hook=_unique)
    except LookupError:
        raise ValueError("holds a key twice") from None
    except (ValueError, RecursionError):
        raise ValueError("is not valid JSON") from None
    return msgspec.convert(facts, LockedArtifact)


def _refuse_secrets(
    artifact: LockedArtifact, location: Location, rules: tuple[Rule, ...] | None = None
) -> None:
    for path, what in find_secrets(msgspec.to_builtins(artifact), rules=rules):
        hint = (
            "register the artifact under an address without it, and give pods the credential "
            "through fetch.secret of the environment"
        )
        raise SpecError(Problem("SRV107", what, location, str(path[0]), hint))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise LookupError
    return data


def dump_lock(lock: Lock) -> str:
    """The lock as text: services and artifacts by name, one line for each artifact."""
    head = _HEAD.format(environment=lock.environment)
    return "".join([head, "\n" if lock.models else " {}\n", *_lines(lock)])


def _lines(lock: Lock) -> Iterator[str]:
    for service, artifacts in sorted(lock.models.items()):
        yield f"  {key_text(service)}:\n"
        for name, artifact in sorted(artifacts.items()):
            text = json.dumps(msgspec.to_builtins(artifact), ensure_ascii=False)
            yield f"    {key_text(name)}: {_ESCAPED.sub(_escape, text)}\n"


def key_text(name: str) -> str:
    """A name as the lock has it: quoted where YAML would not take it for a text."""
    return f'"{name}"' if name in _NOT_TEXT else name


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def is_lock(file: Path) -> bool:
    """Whether a file begins as a lock of ours does, valid or not. Raises OSError."""
    with file.open("rb") as stream:
        return stream.read(64).startswith(b"# Written by `servestack lock ")


def write_lock(file: Path, lock: Lock) -> bool:
    """Write a lock whole or not at all; False where it already says the same.

    Raises SpecError if the registry answered with a credential (SRV107), or if the file cannot be
    written (SRV213).
    """
    for artifacts in lock.models.values():
        for artifact in artifacts.values():
            _refuse_secrets(artifact, Location(file))
    text = dump_lock(lock)
    try:
        # A checkout with CRLF says the same.
        if file.exists() and file.read_bytes().replace(b"\r\n", b"\n") == text.encode():
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
