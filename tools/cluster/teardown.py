"""Takes a cluster away: processes, containers, mounts, links, rules, addresses, groups, files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tools.cluster import cgroups, firewall, machine
from tools.cluster.containers import BRIDGE
from tools.cluster.state import ClusterError, Record, State

_NETWORK_RESULTS = Path("/var/lib/cni/results")


def take_away(state: State) -> None:
    """Each step finds by itself what is left for it, so that a second try ends what a first left."""
    record = state.read()
    # Daemons, shims and containers at once. All they have is about to go: nothing is to be saved, and
    # an API server that is asked to end waits for clients that are ending too.
    if left := cgroups.kill(state.cgroup):
        raise ClusterError(f"the processes {left} of {state.name!r} do not end")
    _remove_from_shared_folders(state.folder / "containerd")
    _unmount_below(state.folder)
    _remove_links()
    firewall.remove_chains()
    if record.machine_noted:
        machine.put_back(record)
        _remove_logs(record)
        _remove_absent(record)
    cgroups.remove(state.cgroup)
    shutil.rmtree(state.folder)


def mounts_below(folder: Path) -> list[str]:
    """The mount points in a folder, inner ones first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in reversed(points) if point.startswith(f"{folder}/")]


def _remove_from_shared_folders(containerd: Path) -> None:
    """A shim that is killed leaves its socket, a pod that is leaves what it got from the network
    plugins: both in folders that all containerds of a machine share."""
    for file in containerd.glob("state/io.containerd.runtime.v2.task/*/*/address"):
        Path(file.read_text().strip().removeprefix("unix://")).unlink(missing_ok=True)
    for pod in containerd.glob("root/io.containerd.grpc.v1.cri/sandboxes/*"):
        for result in _NETWORK_RESULTS.glob(f"*-{pod.name}-*"):
            result.unlink()


def _unmount_below(folder: Path) -> None:
    for point in mounts_below(folder):
        done = subprocess.run(["umount", point], capture_output=True, check=False)
        if done.returncode != 0:
            # Somebody looks into it at this moment; it goes when they do.
            subprocess.run(["umount", "--lazy", point], check=True)


def _remove_links() -> None:
    """The bridge, and the node's ends of the pods' cables: the other ends go with them."""
    shown = subprocess.run(
        ["ip", "-json", "link", "show", "master", BRIDGE],
        capture_output=True,
        text=True,
        check=False,
    )
    cables = json.loads(shown.stdout or "[]") if shown.returncode == 0 else []
    for name in (*(cable["ifname"] for cable in cables if cable), BRIDGE):
        # One may have gone with its namespace in the meantime.
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)


def _remove_logs(record: Record) -> None:
    for folder in machine.LOG_FOLDERS:
        before = record.logs.get(str(folder))
        if before is None:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for entry in folder.iterdir():
            if entry.name in before:
                continue
            if entry.is_symlink():
                entry.unlink()
            else:
                shutil.rmtree(entry)


def _remove_absent(record: Record) -> None:
    """Folders that the first cluster on a machine makes: a fresh machine is left without them."""
    for folder in record.absent:
        for point in mounts_below(Path(folder).parent):
            if point == folder or point.startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", point], check=True)
        shutil.rmtree(folder, ignore_errors=True)
