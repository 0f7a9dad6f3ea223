"""What a cluster of kind on podman could leave behind on this machine, seen without the cluster's own code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tools.cluster import kind
from tools.cluster.state import CLUSTERS
from tools.images import docker

_DAEMONS = ("aardvark-dns", "conmon", "podman")
_SHARED_FOLDERS = (
    "/etc", "/etc/cni", "/etc/cni/net.d", "/etc/containers", "/etc/containers/networks",
    "/lib", "/run", "/run/containers", "/run/containerd", "/run/lock", "/run/netns",
    "/usr/libexec", "/var/lib", "/var/lib/cni", "/var/lib/containers", "/var/lib/kubelet",
    "/var/log",
)  # fmt: skip
_FILEBEATS = "/var/lib/filebeat"
"""Its own tests run beside the cluster's."""
_SYSCTLS = (
    "kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/panic", "kernel/panic_on_oops",
    "net/ipv4/conf/all/forwarding", "net/ipv4/conf/all/route_localnet", "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding", "vm/overcommit_memory", "vm/panic_on_oom", "fs/file-max",
    "fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "fs/nr_open",
)  # fmt: skip


def require_podman(config: pytest.Config) -> None:
    """Skip, with the reason, where tests run elsewhere or there can be no kind on podman."""
    if config.getoption("--cluster") == "current":
        pytest.skip("these are tests of kind, and --cluster=current means another")
    if docker.answers():
        pytest.skip("Docker has its own leftovers: these are tests of kind on podman")
    reason = kind.obstacle()
    if reason is not None:
        pytest.skip(reason)


def snapshot(name: str) -> dict[str, set[str]]:
    """Everything by kind; the difference of two is what came in between."""
    return {
        "processes": _processes(name),
        "mounts": _mounts(),
        "links": set(re.findall(r"^\d+: ([^:@]+)", _output("ip", "-o", "link"), re.MULTILINE)),
        "addresses": set(re.findall(r"inet6? \S+", _output("ip", "-o", "address"))),
        "routes": set(_output("ip", "route").splitlines()),
        "rules": _rules("iptables") | _rules("ip6tables"),
        "cgroups": {str(path) for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir()}
        | {str(path) for path in Path("/sys/fs/cgroup").glob("*") if path.is_dir()},
        "sysctls": {
            f"{key} = {Path('/proc/sys', key).read_text().strip()}"
            for key in _SYSCTLS
            if Path("/proc/sys", key).exists()
        },
        "files": _files(name),
    }


def came_in_between(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What one of two snapshots has and the other has not, by kind; nothing for none."""
    return {kind: before[kind] ^ after[kind] for kind in before if before[kind] != after[kind]}


def runs_now(before: dict[str, set[str]], sign: str) -> bool:
    """Whether a process that was not there before has `sign` in its command line."""
    return any(sign in process for process in _processes("") - before["processes"])


def _processes(name: str) -> set[str]:
    """Those that a cluster consists of, and all that name its folder or live in its groups."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
            comm, groups = (folder / "comm").read_text(), (folder / "cgroup").read_text()
        except OSError:
            continue
        # A defunct one has no command line: it waits for its parent alone.
        if command and (
            comm.strip().startswith(_DAEMONS)
            or f"{CLUSTERS / name}/" in command
            or f"/servestack-{name}" in groups
            or "/libpod" in groups
        ):
            found.add(f"{folder.name} {command}")
    return found


def _mounts() -> set[str]:
    """Mount points; those of other tests, which run beside these, are in folders of pytest's own."""
    points = {line.split()[4] for line in _lines("/proc/self/mountinfo")}
    return {point for point in points if "/pytest-of-" not in point}


def _rules(family: str) -> set[str]:
    """Rules and chains; a built-in chain counts for nothing as long as it is empty."""
    lines = _output(f"{family}-save").splitlines()
    return {
        f"{family} {line.split(' [')[0]}"
        for line in lines
        if line.startswith("-A") or re.match(r":\S+ - ", line)
    }


def _files(name: str) -> set[str]:
    folders = [Path(folder) for folder in _SHARED_FOLDERS]
    found = {str(path) for folder in folders if folder.exists() for path in folder.iterdir()}
    return (found - {_FILEBEATS}) | {str(path) for path in CLUSTERS.glob(f"{name}/*")}


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
