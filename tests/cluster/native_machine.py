"""What a native cluster could leave behind on this machine, seen without the cluster's own code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tools.cluster import machine
from tools.cluster.state import CLUSTERS, ClusterError, named

from tests.cluster.clusters import choose

_DAEMONS = (
    "containerd", "containerd-shim", "coredns", "kube-controller", "kube-proxy", "kube-scheduler",
    "kubelet", "metrics-server", "pause", "runc", "traefik",
)  # fmt: skip
_SHARED_FOLDERS = (
    "/run/containerd", "/run/containerd/s", "/run/netns", "/usr/libexec/kubernetes", "/var/lib/cni",
    "/var/lib/cni/results", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/containers",
    "/var/log/pods",
)  # fmt: skip
_SYSCTLS = (
    "net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/ipv4/conf/all/route_localnet",
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
)  # fmt: skip


def require_native(config: pytest.Config, name: str) -> None:
    """Skip, with the reason, where tests run elsewhere or no cluster called `name` can be made."""
    kind = config.getoption("--cluster")
    if (choose() if kind == "auto" else kind) != "native":
        pytest.skip(f"these are tests of the native node, and --cluster={kind} means another")
    try:
        machine.check(named(name))
    except ClusterError as error:
        pytest.skip(str(error))


def snapshot(name: str) -> dict[str, set[str]]:
    """Everything by kind; the difference of two is what came in between."""
    return {
        "processes": _processes(name),
        "mounts": {line.split()[4] for line in _lines("/proc/self/mountinfo")},
        "links": set(re.findall(r"^\d+: ([^:@]+)", _output("ip", "-o", "link"), re.MULTILINE)),
        "addresses": set(re.findall(r"inet6? \S+", _output("ip", "-o", "address"))),
        "routes": set(_output("ip", "route").splitlines()),
        "rules": _rules("iptables") | _rules("ip6tables"),
        "cgroups": {str(path) for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir()}
        | {str(path) for path in Path("/sys/fs/cgroup").glob("*") if path.is_dir()},
        "sysctls": {f"{key} = {Path('/proc/sys', key).read_text().strip()}" for key in _SYSCTLS},
        "files": _files(name),
    }


def came_in_between(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What one of two snapshots has and the other has not, by kind; nothing for none."""
    return {kind: before[kind] ^ after[kind] for kind in before if before[kind] != after[kind]}


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
        ):
            found.add(f"{folder.name} {command}")
    return found


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
    return found | {str(path) for path in CLUSTERS.glob(f"{name}/*")}


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
