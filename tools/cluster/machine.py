"""What podman and the nodes change on this machine: noted before the first cluster, restored after
the last one."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.cluster import cgroups, firewall
from tools.cluster.state import KIND, replace_file

_NOTE = KIND / "machine.json"
_MODULES = Path("/lib/modules")
# The kubelet and netavark set these; a node shares them with the machine.
_SYSCTLS = (
    "kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/panic",
    "kernel/panic_on_oops", "net/ipv4/ip_forward", "vm/overcommit_memory", "vm/panic_on_oom",
)  # fmt: skip
_PATHS = (
    _MODULES, Path("/dev/shm/libpod_lock"), Path("/etc/cni"), Path("/etc/containers/networks"),
    Path("/run/containers"), Path("/run/containers/networks"),
    Path("/run/containers/networks/ipam.db"), Path("/run/libpod"), Path("/run/netns"),
    Path("/run/crun"), Path("/run/runc"), Path("/run/servestack"), Path("/run/xtables.lock"),
    Path("/var/lib/cni"), Path("/var/lib/containers"),
)  # fmt: skip
_PODMANS_GROUP = "libpod_parent"


@dataclass
class _Note:
    """The state before: the sysctls' values, the paths that did not exist, the chains that did."""

    sysctls: dict[str, str]
    absent: list[str]
    chains: list[str]


def prepare() -> None:
    """Note the machine's state before the first cluster, then create what nodes need."""
    if not _NOTE.exists():
        files = {name: Path("/proc/sys") / name for name in _SYSCTLS}
        note = _Note(
            {name: file.read_text().strip() for name, file in files.items() if file.exists()},
            [str(path) for path in _PATHS if not path.exists()],
            firewall.find_chains(),
        )
        KIND.mkdir(parents=True, exist_ok=True)
        replace_file(_NOTE, json.dumps(asdict(note), indent=1))
    _MODULES.mkdir(exist_ok=True)  # kind mounts it into each node


def put_back() -> None:
    """Restore the machine's state after the last cluster."""
    if not _NOTE.exists():
        return
    note = _Note(**json.loads(_NOTE.read_text()))
    # The monitor of a node cleans up after it, and ends a moment after podman has removed the node.
    cgroups.remove_empty(_PODMANS_GROUP, wait_seconds=10)
    firewall.remove_chains(set(firewall.find_chains()) - set(note.chains))
    _unmount(KIND / "podman")
    for name, value in note.sysctls.items():
        file = Path("/proc/sys") / name
        if file.read_text().strip() != value:
            file.write_text(value)
    for path in map(Path, note.absent):
        _unmount(path)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    _NOTE.unlink()


def _unmount(folder: Path) -> None:
    """Unmount everything at and below a folder, inner mounts first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    for point in reversed(points):
        if point == str(folder) or point.startswith(f"{folder}/"):
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["umount", "--lazy", point], check=True)
