"""The digest that pins an artifact: one sha256 over a file or a whole folder.

The same as in the lock file. A file's digest is its sha256. A folder's is the sha256 of the text
that holds, for each file sorted by the bytes of its path, the line `<sha256 of the file>  <path>`.
`registered_model_meta` at the top, which MLflow writes into what it downloads, does not count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from servestack_server.errors import StartError
from servestack_server.fetch.paths import is_unclear

NOT_COUNTED = "registered_model_meta"


def digest_of(path: Path) -> str:
    """sha256 in hex of a file or folder. StartError for links, odd names, or nothing in it."""
    if path.is_symlink():
        raise _refused(path, "is a link")
    if path.is_file():
        return _file_sha256(path)
    sums = [(name, _file_sha256(file)) for name, file in sorted(_files(path))]
    if not sums:
        raise _refused(path, "holds no files")
    return digest_of_sums(sums)


def digest_of_sums(sums: Iterable[tuple[bytes, str]]) -> str:
    """Digest of a folder, of (bytes of its path, sha256) of each file, sorted."""
    lines = (sha256.encode() + b"  " + name + b"\n" for name, sha256 in sums)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _files(root: Path) -> Iterator[tuple[bytes, Path]]:
    """(bytes of its path below root, file) of every file that counts, in no order."""
    for folder, folders, names in os.walk(root, onerror=_raise):
        for name in (*folders, *names):
            path = Path(folder, name)
            if is_unclear(name):
                raise _refused(root, f"holds {name!r}, a name that no checksum file can hold")
            if path.is_symlink():
                raise _refused(path, "is a link")
            if name in folders:
                continue
            if not path.is_file():
                raise _refused(path, "is neither a file nor a folder")
            below = path.relative_to(root).as_posix()
            if below != NOT_COUNTED:
                yield below.encode(), path


def _raise(error: OSError) -> None:
    raise error


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _refused(path: Path, why: str) -> StartError:
    return StartError(f"{path} {why}", "an artifact is a file, or a folder of plain files")
