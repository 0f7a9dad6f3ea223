"""A rendered folder on disk: its contents, its lock, and how empty folders are removed.

Nothing here follows a link below the folder's root, and a file is either the old one or the new
one at any moment, also when the disk is full or the process is killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servestack.files import TEMPORARY

_HEAD_BYTES = 4096


@dataclass(slots=True)
class Contents:
    """Paths below a root, relative to it, with forward slashes.

    `others` are links and whatever else is neither file nor folder, `leftovers` the temporary
    files of runs that were killed.
    """

    files: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    leftovers: list[str] = field(default_factory=list)


def scan(root: Path) -> Contents:
    """The contents of a folder; empty if it does not exist. Raises OSError."""
    contents = Contents()
    if root.is_dir():
        _scan(root, "", contents)
    return contents


def _scan(folder: Path, prefix: str, contents: Contents) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                _scan(folder / entry.name, f"{path}/", contents)
                contents.folders.append(path)
            elif not entry.is_file(follow_symlinks=False):
                contents.others.add(path)
            elif TEMPORARY.fullmatch(entry.name):
                contents.leftovers.append(path)
            else:
                contents.files.add(path)


def read_head(file: Path) -> bytes:
    """The beginning of a file, enough for its first line. Raises OSError."""
    with file.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Create the folder and lock it, so that a second run waits for the first. Raises OSError.

    The lock is on the folder itself and leaves no file. Some network file systems refuse it:
    runs then do not wait for each other, but each file is still written whole.
    """
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def remove_empty(root: Path, folders: list[str]) -> None:
    """Delete those of the folders that are empty. Deeper ones must come first."""
    for folder in folders:
        with suppress(OSError):
            (root / folder).rmdir()
