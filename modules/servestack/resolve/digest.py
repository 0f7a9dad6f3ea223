"""The digest that pins an artifact: one sha256 over a file or a whole folder.

A file's digest is its sha256. A folder's digest is the sha256 of the text that holds, for each
file sorted by the bytes of its path, the line `<sha256 of the file>  <path>`. A shell says the same:

    cd folder && find . -type f ! -path ./registered_model_meta -printf '%P\\0' |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

MLflow writes `registered_model_meta` into the folder that it downloads, so that one does not count.
Refused are links and devices, which mean something else on another machine, and names with a line
break or backslash or that are not UTF-8: with them two folders could give the same text.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, RegistryError

_NOT_COUNTED = "registered_model_meta"
_UNCLEAR = re.compile(r"[\n\r\\\ud800-\udfff]")
"""What `sha256sum` escapes, and the bytes of names that are not UTF-8."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """sha256 in hex, and the bytes that went into it."""

    sha256: str
    size_bytes: int


def digest_of(path: Path) -> Digest:
    """Digest of a file or folder. RegistryError for what is refused, cannot be read, or is empty."""
    try:
        if path.is_symlink():
            raise _refused(path, "is a link")
        if path.is_file():
            return Digest(_file_sha256(path), path.stat().st_size)
        lines, size_bytes = [], 0
        for name, file in sorted(_files(path)):
            lines.append(_file_sha256(file).encode() + b"  " + name + b"\n")
            size_bytes += file.stat().st_size
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from None
    if not lines:
        raise _refused(path, "holds no files")
    return Digest(hashlib.sha256(b"".join(lines)).hexdigest(), size_bytes)


def _files(root: Path) -> Iterator[tuple[bytes, Path]]:
    """(bytes of its path below root, file) of every file that counts, in no order."""
    for folder, folders, names in os.walk(root, onerror=_raise):
        for name in (*folders, *names):
            path = Path(folder, name)
            if _UNCLEAR.search(name):
                raise _refused(root, f"holds {name!r}, a name that no checksum file can hold")
            if path.is_symlink():
                raise _refused(path, "is a link")
            if name in folders:
                continue
            if not path.is_file():
                raise _refused(path, "is neither a file nor a folder")
            below = path.relative_to(root).as_posix()
            if below != _NOT_COUNTED:
                yield below.encode(), path


def _raise(error: OSError) -> None:
    raise error


def _file_sha256(file: Path) -> str:
    sha256 = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha256.update(chunk)
    return sha256.hexdigest()


def _refused(path: Path, why: str) -> RegistryError:
    hint = "an artifact is a file, or a folder of plain files"
    return RegistryError(Problem("SRV221", f"{path.name} {why}", Location(path), hint=hint))
