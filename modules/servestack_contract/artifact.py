"""A model's artifact: how it is pinned on a command line, and the digest that pins it.

A file's digest is its sha256. A folder's digest is the sha256 of the text that holds, for each
file sorted by the bytes of its path, the line `<sha256 of the file>  <path>`. The same in a shell:

    cd folder && find . -type f ! -path ./registered_model_meta -printf '%P\\0' |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

MLflow writes `registered_model_meta` into the folder that it downloads; that file does not count.
Links and devices are refused, because they mean something else on another machine. Names that have
a line break or a backslash, or are not UTF-8, are refused too: with them two folders could give the
same text.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NOT_COUNTED = "registered_model_meta"
_UNCLEAR = re.compile(r"[\n\r\\\ud800-\udfff]")
"""What `sha256sum` escapes, and the bytes of names that are not UTF-8."""
_DRIVE = re.compile(r"[A-Za-z]:")
_PIN = re.compile(r"(?P<name>[a-z0-9-]+)=(?P<value>.+?)(?:#sha256=(?P<sha256>[0-9a-f]{64}))?")


class ArtifactError(Exception):
    """`path` is not an artifact that can be pinned or read. `reason` says why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Pin:
    """An argument `NAME=VALUE#sha256=HEX`. `sha256` is empty if nothing is pinned.

    The value is the artifact's source in `fetch --artifact`, and its version in `serve --model`.
    """

    name: str
    value: str
    sha256: str = ""

    def __str__(self) -> str:
        digest = f"#sha256={self.sha256}" if self.sha256 else ""
        return f"{self.name}={self.value}{digest}"


def parse_pin(text: str) -> Pin:
    """Parse a pin. Raises ValueError if the text has another form."""
    match = _PIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not NAME=VALUE#sha256=HEX")
    return Pin(match["name"], match["value"], match["sha256"] or "")


_LONGEST_VERSION = 63
"""As many characters as the value of a Kubernetes label may have."""


def served_version(pins: Sequence[Pin]) -> str:
    """Return the version that metrics of requests are labelled with.

    `pins` hold version and digest of the service's models. A model without a version (`-`) goes by
    the first 12 digits of its digest. Several models' versions are joined by commas, in their order;
    if that is longer than 63 characters, the first 12 digits of the text's sha256 stand for it.
    """
    versions = (p.value if p.value != "-" else p.sha256[:12] or "-" for p in pins)
    text = ",".join(versions)
    if len(text) > _LONGEST_VERSION:
        return hashlib.sha256(text.encode()).hexdigest()[:12]
    return text or "-"


@dataclass(frozen=True, slots=True)
class Digest:
    """A sha256 in hex, and the number of bytes that it covers."""

    sha256: str
    size_bytes: int


def digest_of(path: Path) -> Digest:
    """Return the digest of a file or folder.

    Raises ArtifactError if it is empty, cannot be read, or contains what is refused (see above).
    """
    try:
        if path.is_symlink():
            raise ArtifactError(path, "is a link")
        if path.is_file():
            return Digest(_file_sha256(path), path.stat().st_size)
        found = sorted(_files(path))
        sums = [(name, _file_sha256(file)) for name, file in found]
        size_bytes = sum(file.stat().st_size for _, file in found)
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror or error}") from None
    if not sums:
        raise ArtifactError(path, "holds no files")
    return Digest(digest_of_sums(sums), size_bytes)


def digest_of_sums(sums: Iterable[tuple[bytes, str]]) -> str:
    """Return the digest of a folder from (path in bytes, sha256 in hex) of its files, sorted."""
    lines = (sha256.encode() + b"  " + name + b"\n" for name, sha256 in sums)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def is_unclear(name: str) -> bool:
    """Return whether a name is refused, since two folders could have the same digest with it."""
    return _UNCLEAR.search(name) is not None


def why_not_relative(path: str) -> str:
    """Return why a path is not one below an artifact, with '/' between its parts; empty if it is."""
    parts = path.split("/")
    if path.startswith("/"):
        return "is an absolute path"
    if _DRIVE.match(path):
        return "begins with a drive letter"
    if ".." in parts:
        return "leads out of the folder"
    if "" in parts or "." in parts:
        return "has an empty part"
    if "\0" in path:
        return "holds a NUL"
    if is_unclear(path):
        return "holds a backslash or line break, or is not UTF-8"
    return ""


def _files(root: Path) -> Iterator[tuple[bytes, Path]]:
    """Yield (path below `root` in bytes, file) of every file that counts, in no order."""
    for folder, folders, names in os.walk(root, onerror=_raise):
        for name in (*folders, *names):
            path = Path(folder, name)
            if is_unclear(name):
                raise ArtifactError(root, f"holds {name!r}, a name that no checksum file can hold")
            if path.is_symlink():
                raise ArtifactError(path, "is a link")
            if name in folders:
                continue
            if not path.is_file():
                raise ArtifactError(path, "is neither a file nor a folder")
            below = path.relative_to(root).as_posix()
            if below != NOT_COUNTED:
                yield below.encode(), path


def _raise(error: OSError) -> None:
    raise error


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
