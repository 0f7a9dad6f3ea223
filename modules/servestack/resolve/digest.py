"""The digest that pins an artifact: one sha256 over a file or a whole folder.

A file's digest is its sha256. A folder's digest is the sha256 of the text that holds, for each
file sorted by the bytes of its path, the line `<sha256 of the file>  <path>`. A shell says the same:

    cd folder && find . -type f ! -name registered_model_meta -printf '%P\\0' |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

MLflow writes `registered_model_meta` into what it downloads, so that file does not count. Links
are refused: what they lead to may differ from machine to machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, RegistryError

_NOT_COUNTED = "registered_model_meta"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """sha256 in hex, and the bytes that went into it."""

    sha256: str
    size_bytes: int


def digest_of(path: Path) -> Digest:
    """Digest of a file or folder. RegistryError for a link, or a folder without a file."""
    if path.is_symlink():
        raise _refused(path, "is a link")
    if path.is_file():
        return Digest(_file_sha256(path), path.stat().st_size)
    lines, size_bytes = [], 0
    for file in sorted(
        path.rglob("*"), key=lambda file: file.relative_to(path).as_posix().encode()
    ):
        if file.is_symlink():
            raise _refused(file, "is a link")
        if not file.is_file() or file.name == _NOT_COUNTED:
            continue
        lines.append(f"{_file_sha256(file)}  {file.relative_to(path).as_posix()}\n")
        size_bytes += file.stat().st_size
    if not lines:
        raise _refused(path, "holds no files")
    return Digest(hashlib.sha256("".join(lines).encode()).hexdigest(), size_bytes)


def _file_sha256(file: Path) -> str:
    sha256 = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha256.update(chunk)
    return sha256.hexdigest()


def _refused(path: Path, why: str) -> RegistryError:
    hint = "an artifact is a file, or a folder of plain files"
    return RegistryError(Problem("SRV221", f"{path.name} {why}", Location(path), hint=hint))
