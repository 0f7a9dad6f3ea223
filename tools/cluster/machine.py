"""What a cluster needs of the machine, and what it changes there."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tools.cluster import cgroups, firewall
from tools.cluster.state import NODE_IP, ClusterError, Record, State, existing
from tools.install import install

LOG_FOLDERS = (Path("/var/log/pods"), Path("/var/log/containers"))
SHARED_FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/run/containerd", "/run/netns", "/usr/libexec/kubernetes", "/var/lib/cni",
        "/var/lib/containerd", "/var/lib/kubelet",
    )
)  # fmt: skip
"""What containerd, the kubelet and the network plugins make outside of a cluster's own folder."""
_SYSCTLS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}
# kubelet and kube-proxy set these by themselves.
_SET_BY_OTHERS = (
    "net/ipv4/conf/all/route_localnet", "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic",
    "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
)  # fmt: skip
# A socket's path has at most 107 bytes (unix(7)); the longest one here is kubelet's.
_LONGEST_FOLDER = 107 - len("/kubelet/pod-resources/kubelet.sock")
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")


def check(state: State) -> None:
    """Say everything at once that keeps this machine from being a node."""
    for other in existing():
        if other.name != state.name:
            raise ClusterError(
                f"the cluster {other.name!r} is on this machine, and only one can be: "
                f"`python -m tools.cluster down --name {other.name}` takes it away"
            )
    if os.geteuid() != 0:
        raise ClusterError("a native cluster needs root, for control groups, mounts and networks")
    if len(str(state.folder)) > _LONGEST_FOLDER:
        raise ClusterError(
            f"{state.folder} is too long for the sockets in it: at most {_LONGEST_FOLDER} "
            "characters; set SERVESTACK_CACHE to a shorter folder"
        )
    missing = []
    for tool in ("iptables", "ip"):
        try:
            install(tool)
        except SystemExit as error:
            missing.append(str(error))
        else:
            if shutil.which(tool) is None:
                missing.append(f"{tool} on PATH, which lacks /usr/sbin perhaps")
    for module, proof in (("overlay", "fs/overlay"), ("br_netfilter", "net/bridge")):
        if not _has(module, Path("/proc/sys") / proof):
            missing.append(f"the kernel's module {module}")
    missing += [f"the cgroup controller {name}" for name in _CONTROLLERS if not _controls(name)]
    if missing:
        raise ClusterError("a native cluster cannot run here, for want of " + "; ".join(missing))
    if firewall.find_chains():
        raise ClusterError("another Kubernetes node runs here: iptables has KUBE- or CNI- chains")
    if _has_address():
        raise ClusterError(f"lo has {NODE_IP} already, which a native cluster's node would take")


def prepare(state: State, record: Record) -> None:
    """Note what is there, then change it."""
    for name in (*_SYSCTLS, *_SET_BY_OTHERS):
        with suppress(OSError):
            record.sysctls[name] = (Path("/proc/sys") / name).read_text().strip()
    for folder in LOG_FOLDERS:
        if folder.exists():
            record.logs[str(folder)] = sorted(entry.name for entry in folder.iterdir())
    record.absent = [str(folder) for folder in SHARED_FOLDERS if not folder.exists()]
    record.machine_noted = True
    state.write(record)
    for name, value in _SYSCTLS.items():
        (Path("/proc/sys") / name).write_text(value)
    # The kubelet takes no loopback address, and links of the type dummy are not to be had everywhere.
    subprocess.run(["ip", "address", "add", f"{NODE_IP}/32", "dev", "lo"], check=True)


def put_back(record: Record) -> None:
    """Address and sysctls as they were."""
    if _has_address():
        subprocess.run(["ip", "address", "delete", f"{NODE_IP}/32", "dev", "lo"], check=True)
    for name, value in record.sysctls.items():
        file = Path("/proc/sys") / name
        if file.exists() and file.read_text().strip() != value:
            file.write_text(value)


def _has_address() -> bool:
    shown = subprocess.run(
        ["ip", "-4", "-o", "address", "show", "dev", "lo"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return f" {NODE_IP}/" in shown.stdout


def _has(module: str, proof: Path) -> bool:
    if not proof.exists() and module not in Path("/proc/filesystems").read_text().split():
        with suppress(FileNotFoundError):
            subprocess.run(["modprobe", module], capture_output=True, check=False)
    return proof.exists() or module in Path("/proc/filesystems").read_text().split()


def _controls(controller: str) -> bool:
    roots = cgroups.hierarchies()
    listed = roots[0] / "cgroup.controllers" if len(roots) == 1 else None
    if listed is not None and listed.exists():
        return controller in listed.read_text().split()
    return any(controller in root.name.split(",") for root in roots)
