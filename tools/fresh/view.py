"""A view of this machine without the traces of any run: an overlay over /, in mounts that end with
the process. Everything that is written stays in the view, except in caches that are kept.

The network, the kernel's settings and the control groups are the machine's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.fresh.traces import TRACES, Trace, packages

NAMESPACES = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
"""Mounts and processes that end with the command, even if it is killed."""

_LIVE = ("sys", "dev")


@dataclass(frozen=True)
class View:
    """`before` and `upper` are open folders: the machine's / and what was written over it."""

    before: int
    upper: int


def obstacle() -> str | None:
    """Why no view is possible here; None if one is."""
    if os.geteuid() != 0:
        return "mounting an overlay over / needs root"
    tried = subprocess.run([*NAMESPACES, "sh", "-ec", _TRY], capture_output=True, text=True)
    return f"cannot mount an overlay over /: {tried.stderr.strip()}" if tried.returncode else None


_TRY = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
"""


def enter(disk: Path, clone: Path, at: Path, keep_caches: bool) -> View:
    """Make the view this process's root; it must be the first of NAMESPACES of its own.

    `disk` is an empty folder of a real file system; `clone` is shown at `at`. Raises OSError or
    CalledProcessError if a mount is refused.
    """
    base = disk / "view"
    base.mkdir()
    _mount("tmpfs", base, "-t", "tmpfs")
    for name in ("upper", "work", "root"):
        (base / name).mkdir()
    root = base / "root"
    options = f"lowerdir=/,upperdir={base}/upper,workdir={base}/work"
    _mount("overlay", root, "-t", "overlay", "-o", options)
    view = View(os.open("/", os.O_DIRECTORY), os.open(base / "upper", os.O_DIRECTORY))
    for name in _LIVE:
        _mount(f"/{name}", root / name, "--rbind")
    _mount("proc", root / "proc", "-t", "proc")
    for trace in sorted(TRACES, key=lambda trace: trace.path):  # a folder before what is in it
        if trace.on_disk:
            _show(_source(trace, disk, keep_caches), root / _relative(trace.path))
    _show(clone, root / _relative(at))
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "."], check=True)  # see pivot_root(2): no folder is needed
    subprocess.run(["umount", "--lazy", "."], check=True)
    os.chdir(at)
    return view


def _source(trace: Trace, disk: Path, keep_caches: bool) -> Path:
    if trace.cache and keep_caches:
        trace.path.mkdir(parents=True, exist_ok=True)
        return trace.path
    folder = disk / str(trace.path).strip("/").replace("/", "-")
    folder.mkdir()
    if trace.path.exists():
        folder.chmod(trace.path.stat().st_mode & 0o7777)  # /tmp is for all
    return folder


def _show(folder: Path, at: Path) -> None:
    at.mkdir(parents=True, exist_ok=True)
    _mount(str(folder), at, "--bind")


def _mount(what: str, where: Path, *options: str) -> None:
    subprocess.run(["mount", *options, what, str(where)], check=True)


def _relative(path: Path) -> Path:
    return path.relative_to("/")


def clear() -> None:
    """Delete in the view what runs have left behind. Raises CalledProcessError if apt fails."""
    if installed := _installed():
        subprocess.run(
            ["apt-get", "purge", "-qq", "-y", "--autoremove", *installed],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    _mount("tmpfs", Path("/dev/shm"), "-t", "tmpfs")
    for trace in TRACES:
        if not trace.on_disk and trace.path != Path("/dev/shm"):
            _remove(trace.path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def still_there(keep_caches: bool, clone: Path) -> Sequence[str]:
    """The traces that `clear` has not deleted; the clone may be shown inside of one."""
    shown = [clone, *(trace.path for trace in TRACES)]

    def is_left(path: Path) -> bool:
        return not any(other.is_relative_to(path) for other in shown)

    left = [f"the package {name}" for name in _installed()]
    for trace in TRACES:
        kept = trace.cache and keep_caches
        if not kept and trace.path.is_dir() and any(map(is_left, trace.path.iterdir())):
            left.append(f"{trace.path} ({trace.maker})")
    return left


def _installed() -> list[str]:
    """The packages of the list that are on the machine."""
    if shutil.which("dpkg-query") is None:
        return []
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    there = {line.split()[0] for line in shown.splitlines() if line.split()[1:2] == ["ii"]}
    return sorted(there & set(packages()))
