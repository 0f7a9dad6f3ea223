"""The control group that kind and podman run in while they create a cluster.

It finds every process that was started for the cluster, even after the process that started it
has ended. cgroup v1 has one hierarchy per controller, v2 one for all.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_KILL_SECONDS = 20


def hierarchies() -> list[Path]:
    """The roots of the hierarchies, without links such as cpu -> cpu,cpuacct."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    roots = [path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink()]
    return sorted(path for path in roots if (path / "cgroup.procs").exists())


def make(name: str) -> None:
    """Make the group `name` with a leaf `node` for the node's own programs in each hierarchy."""
    for root in hierarchies():
        if root == _ROOT:
            _hand_down_controllers(root)
        for group in (root / name, root / name / "node"):
            group.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                # A new v1 group has no CPU, and nothing can enter it, until it is given some.
                if root != _ROOT and (group / file).exists():
                    (group / file).write_text((group.parent / file).read_text())


def doors(name: str) -> list[Path]:
    """The files to which a process writes its id in order to join the group's leaves."""
    files = [root / name / "node" / "cgroup.procs" for root in hierarchies()]
    return [file for file in files if file.exists()]


def _hand_down_controllers(root: Path) -> None:
    """With v2 a parent must pass controllers on to its groups; the kubelet needs all of these."""
    offered = (root / "cgroup.controllers").read_text().split()
    for controller in sorted({"cpu", "cpuset", "hugetlb", "memory", "pids"}.intersection(offered)):
        (root / "cgroup.subtree_control").write_text(f"+{controller}")


def members(name: str) -> list[int]:
    """The ids of all processes in the group `name` and below, in any hierarchy."""
    found: set[int] = set()
    for root in hierarchies():
        for file in (root / name).rglob("cgroup.procs"):
            with suppress(OSError):
                found.update(int(pid) for pid in file.read_text().split())
    return sorted(found - {0})


def kill(name: str) -> list[int]:
    """Kill all members. Returns the ids that are left after 20 s: none, unless the kernel hangs."""
    deadline = time.monotonic() + _KILL_SECONDS
    while (pids := members(name)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)
    return pids


def remove(name: str) -> None:
    for group in _inner_first(name):
        with suppress(FileNotFoundError):
            group.rmdir()


def remove_empty(name: str, wait_seconds: float = 0) -> None:
    """Remove those of the group `name` and the groups below that hold no process.

    Wait that long for processes that are about to end.
    """
    deadline = time.monotonic() + wait_seconds
    while members(name) and time.monotonic() < deadline:
        time.sleep(0.1)
    for group in _inner_first(name):
        with suppress(OSError):
            group.rmdir()


def _inner_first(name: str) -> Iterator[Path]:
    """The group `name` and those below it, in every hierarchy."""
    for root in hierarchies():
        groups = [path for path in (root / name).rglob("*") if path.is_dir()]
        yield from (*sorted(groups, reverse=True), root / name)
