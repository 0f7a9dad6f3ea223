"""Finds what a command has created and the list of traces does not name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tools.fresh.traces import TRACES
from tools.fresh.view import View

_WRITTEN_BY_PACKAGES = (
    "etc/alternatives", "etc/systemd/system", "var/lib/dpkg",
    "var/lib/systemd/deb-systemd-helper-enabled",
)  # fmt: skip
"""Written by dpkg and by the packages' install scripts; traces.py names the packages."""


@dataclass(frozen=True)
class Snapshot:
    """A machine at one time: the paths written over it, those removed from it, its mounts and its
    network links."""

    present: frozenset[str]
    removed: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]


def take(view: View) -> Snapshot:
    present: set[str] = set()
    removed: set[str] = set()
    for path, is_whiteout in _walk(view.upper):
        (removed if is_whiteout else present).add(path)
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return Snapshot(
        frozenset(present), frozenset(removed),
        mounts=frozenset(line.split()[4] for line in table),
        links=frozenset(link.name for link in Path("/sys/class/net").iterdir()),
    )  # fmt: skip


def find(view: View, before: Snapshot) -> list[str]:
    """One line for each thing that is new, not a trace and not part of a package."""
    now = take(view)
    return [
        *(f"/{path}" for path in _paths(now, view, before)),
        *(f"the mount at {point}" for point in sorted(now.mounts - before.mounts)),
        *(f"the network link {name}" for name in sorted(now.links - before.links)),
        *(f"the process {name}" for name in _processes()),
    ]


def _paths(now: Snapshot, view: View, before: Snapshot) -> list[str]:
    """New paths, without those in a folder that is itself new."""
    new = {path for path in now.present if not _was_there(path, view, before)}
    listed = [str(trace.path).lstrip("/") for trace in TRACES]
    owned = _owned_by_packages()
    return sorted(
        path
        for path in new
        if str(PurePosixPath(path).parent) not in new
        and path not in owned
        and not _is_alternative(path)
        and not any(_below(path, folder) for folder in _WRITTEN_BY_PACKAGES)
        and not any(_below(path, trace) or _below(trace, path) for trace in listed)
    )


def _processes() -> list[str]:
    """All processes of this namespace except this one, which is its first."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                found.append(f"{folder.name} ({(folder / 'comm').read_text().strip()})")
            except OSError:
                continue  # it has just ended
    return sorted(found)


def _walk(folder: int) -> Iterator[tuple[str, bool]]:
    """Each path in an overlay's upper folder, and whether it is a whiteout: a deleted path."""
    for parent, folders, files, handle in os.fwalk(".", dir_fd=folder):
        for name in (*folders, *files):
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            yield os.path.normpath(f"{parent}/{name}"), stat.S_ISCHR(status.st_mode)


def _was_there(path: str, view: View, before: Snapshot) -> bool:
    if path in before.present:
        return True
    line = [path, *map(str, PurePosixPath(path).parents)]
    if any(part in before.removed for part in line):
        return False
    try:
        os.stat(path, dir_fd=view.before, follow_symlinks=False)
    except OSError:
        return False
    return True


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _owned_by_packages() -> set[str]:
    """The paths in the packages' lists; some lists say /sbin, which is /usr/sbin by now."""
    lists = Path("/var/lib/dpkg/info").glob("*.list")
    listed = {line.strip().lstrip("/") for file in lists for line in file.open()}
    return listed | {f"usr/{path}" for path in listed if path.startswith(("bin/", "lib/", "sbin/"))}


def _is_alternative(path: str) -> bool:
    """Whether the path is a link that update-alternatives points to one of several programs."""
    link = Path("/", path)
    return link.is_symlink() and str(link.readlink()).startswith("/etc/alternatives/")
