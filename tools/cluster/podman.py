"""podman with all its files below the cache, configured so that kind's nodes run on it.

The settings and what each is for: docs/adr/0012.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import time
import uuid
from pathlib import Path

from tools.cluster.state import KIND, replace_file
from tools.install import install
from tools.locking import exclusive

NETWORK = "servestack-kind"
_REMOVE_SECONDS = 30
_FOLDER = KIND / "podman"
_VOLUMES = _FOLDER / "volumes"
_MEMORY_BYTES = 10 << 30
"""Memory that may hold the volumes. Two nodes with the images of the tests take 6 GB."""
_LEFT_BYTES = 4 << 30
"""Memory that must be left for what runs on the nodes, and beside them."""
_RUN = Path("/run/servestack/podman")
"""Says in which /run, and since which boot, the containers run that podman's state names."""


def environment() -> dict[str, str]:
    """The variables that podman and kind need. Writes the files that they name."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    _forget_what_is_gone()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # conmon lowers it to the highest pid, and a higher one cannot be set again without
    # CAP_SYS_RESOURCE.
    highest = int(Path("/proc/sys/kernel/pid_max").read_text())
    processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1], highest)
    storage, containers = _FOLDER / "storage.conf", _FOLDER / "containers.conf"
    _write(
        storage,
        f'[storage]\ndriver = "overlay"\ngraphroot = "{_FOLDER}/root"\nrunroot = "{_FOLDER}/run"\n',
    )
    _write(containers, f"""[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
stop_timeout = 1
tmp_dir = "{_FOLDER}/tmp"
volume_path = "{_VOLUMES}"
[network]
network_backend = "netavark"
network_config_dir = "{_FOLDER}/networks"
""")  # fmt: skip
    return {
        "CONTAINERS_CONF": str(containers),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "KIND_EXPERIMENTAL_PROVIDER": "podman",
        "KIND_EXPERIMENTAL_PODMAN_NETWORK": NETWORK,
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
    }


def _forget_what_is_gone() -> None:
    """Have podman see that its containers ended with an earlier boot, or with a killed view of the
    machine (tools/fresh). Otherwise each of its commands fails, for want of their networks.

    podman takes a temporary folder without the file `alive` for that of a new boot.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    noted = _FOLDER / "run.id"

    def is_this_run() -> bool:
        seen = _read(_RUN)
        return seen.startswith(boot) and seen == _read(noted)

    if is_this_run():
        return
    with exclusive(_FOLDER / "run.lock", lambda: None):
        if is_this_run():
            return
        (_FOLDER / "tmp/alive").unlink(missing_ok=True)
        _RUN.parent.mkdir(exist_ok=True)
        text = f"{boot} {uuid.uuid4()}"
        replace_file(noted, text)
        replace_file(_RUN, text)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def _write(file: Path, text: str) -> None:
    """Replace a file in one step, and only if it differs: another podman may be reading it."""
    if _read(file) != text:
        replace_file(file, text)


def podman(
    *arguments: str, check: bool = True, stdin: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run podman; the result's `stdout` has its output."""
    return subprocess.run(
        [install("podman"), *arguments], env=os.environ | environment(),
        text=True, check=check, stdin=stdin, stdout=subprocess.PIPE,
    )  # fmt: skip


def hold_volumes_in_memory() -> None:
    """Mount a file system in memory for the nodes' volumes, if this machine has much of it.

    A node's /var has its images and etcd. A disk takes up to two minutes to delete them. The mount
    goes with the last cluster, as all mounts below podman's folder.
    """
    if _VOLUMES.is_mount() or nodes() or _available_bytes() < _MEMORY_BYTES + _LEFT_BYTES:
        return
    _VOLUMES.mkdir(exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_MEMORY_BYTES}", "servestack-volumes", _VOLUMES],
        check=True,
    )


def _available_bytes() -> int:
    (line,) = re.findall(r"^MemAvailable:\s+(\d+) kB$", _read(Path("/proc/meminfo")), re.MULTILINE)
    return int(line) * 1024


def make_network() -> None:
    """Create the network. kind's own would have IPv6, which sets forwarding, and a DNS daemon."""
    if not _has_network():
        podman("network", "create", "--driver=bridge", "--disable-dns", NETWORK)


def _has_network() -> bool:
    return podman("network", "exists", NETWORK, check=False).returncode == 0


def gateway() -> str:
    """The address at which pods reach this machine."""
    (network,) = json.loads(podman("network", "inspect", NETWORK).stdout)
    address: str = network["subnets"][0]["gateway"]
    return address


def nodes(name: str = "") -> list[str]:
    """The ids of the nodes of all clusters, or of one."""
    label = "io.x-k8s.kind.cluster" + (f"={name}" if name else "")
    return podman("ps", "-aq", f"--filter=label={label}").stdout.split()


def remove_leftovers(name: str) -> list[str]:
    """Remove the containers of a cluster that kind has left. Returns the ids that stay.

    kind leaves some if it was killed half-way, or if the machine was so loaded that podman did not
    see them end in time.
    """
    deadline = time.monotonic() + _REMOVE_SECONDS
    while (left := _containers(name)) and time.monotonic() < deadline:
        for identity in left:
            podman("rm", "-f", "-v", identity, check=False)
    return left


def _containers(name: str) -> list[str]:
    """The ids of a cluster's nodes, unfinished ones included."""
    listed = podman("ps", "-a", "--external", "--format={{.ID}} {{.Names}}").stdout
    lines = (line.partition(" ") for line in listed.splitlines())
    node = re.compile(rf"{re.escape(name)}-(control-plane|worker)\d*")
    return [identity for identity, _, names in lines if node.fullmatch(names)]


def remove_shared() -> None:
    """After the last cluster, remove the network and the volumes that no container uses."""
    podman("volume", "prune", "-f", check=False)
    if not _has_network():
        return
    shown = podman("network", "inspect", NETWORK, "--format={{.NetworkInterface}}", check=False)
    podman("network", "rm", "-f", NETWORK, check=False)
    if bridge := shown.stdout.strip():
        # A start that was killed before podman recorded the container leaves its bridge behind.
        subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
