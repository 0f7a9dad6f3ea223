"""The lines of one model service in a lock, of any age: as text, and as facts.

Git keeps locks that older versions of servestack wrote, or that a merge has left broken. So nothing
here reads a lock as a whole.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from servestack.resolve.lock import LockedArtifact, key_text, read_artifact

_SERVICE = re.compile(rb"^  (\"?)([a-z0-9][a-z0-9-]*)\1:$", re.MULTILINE)
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One artifact's line: its name in the service, and its facts as they are written.

    A fact is empty if the line does not have it.
    """

    name: str
    text: str
    uri: str
    version: str
    run_id: str
    source: str
    sha256: str

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it this version of this artifact. The address it was asked for by does not."""
        return (self.name, *self.identity_without_name)

    @property
    def identity_without_name(self) -> tuple[str, ...]:
        """The same for an artifact that got another name."""
        return (self.version, self.run_id, self.source, self.sha256)

    @property
    def shown(self) -> str:
        """The version, or else the first digits of the digest."""
        return self.version or self.sha256[:_DIGITS] or "unpinned"

    def artifact(self) -> LockedArtifact:
        """Return the line as a lock has it. Raises ValueError for facts of an older lock."""
        return read_artifact(self.text)


Lines = tuple[Line, ...]
"""The lines of one service, in the order of their names."""


def lines_of(content: bytes, service: str) -> Lines | None:
    """Return the lines of a service in the content of a lock.

    Returns () if the lock does not have the service, and None if one of its lines is not readable.
    """
    content = content.replace(b"\r\n", b"\n")
    head = f"\n  {key_text(service)}:\n".encode()
    start = content.find(head)
    if start < 0:
        return ()
    found = []
    for line in content[start + len(head) :].split(b"\n"):
        if not line.startswith(b"    "):
            break
        read = _read(line)
        if read is None:
            return None
        found.append(read)
    return tuple(found)


def services_in(content: bytes) -> set[str]:
    """Return the names of all services in the content of a lock."""
    names = _SERVICE.findall(content.replace(b"\r\n", b"\n"))
    return {name.decode() for _, name in names}


def line_of(name: str, artifact: LockedArtifact) -> Line:
    """Return an artifact of a lock as a line, to compare it with those of git."""
    return Line(
        name,
        "",
        artifact.uri,
        artifact.version,
        artifact.run_id,
        artifact.source,
        artifact.sha256,
    )


def version_words(lines: Lines) -> str:
    """The versions in one text: `3` for a single model, `a 3, b 5` for several."""
    if len(lines) == 1:
        return lines[0].shown
    return ", ".join(f"{line.name} {line.shown}" for line in lines)


def _read(line: bytes) -> Line | None:
    try:
        key, _, text = line.decode().strip().partition(": ")
        facts: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None

    def fact(key: str) -> str:
        value = facts.get(key)
        return value if isinstance(value, str) else ""

    return Line(
        key.strip('"'),
        text,
        fact("uri"),
        fact("version"),
        fact("runId"),
        fact("source"),
        fact("sha256"),
    )
