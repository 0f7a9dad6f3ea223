"""A cluster whose start is killed leaves nothing behind. Of one that came up, clusters.py sees it.

The first file of this folder: it plays a boot, which a cluster of the other files would not survive.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tools.cluster import machine
from tools.cluster.node_image import node_image
from tools.cluster.podman import NETWORK, make_network, podman
from tools.cluster.state import Record, State, alone

from tests.cluster.host_machine import came_in_between, require_podman, runs_now, snapshot
from tests.support.projects import REPOSITORY

NAME = "leaks"
_GONE_SECONDS = 20
_COMMAND = [sys.executable, "-m", "tools.cluster"]


@pytest.fixture(autouse=True)
def _podman(request: pytest.FixtureRequest) -> None:
    require_podman(request.config)


@pytest.mark.parametrize("sign", ["podman run", "kubeadm init"])
def test_a_start_that_is_killed_is_taken_away(sign: str) -> None:
    """Before the first container is there, and while the first node is being made.

    What runs later is taken away with its node, as that of a cluster that came up.
    """
    before = snapshot(NAME)
    up = subprocess.Popen([*_COMMAND, "up", f"--name={NAME}"], cwd=REPOSITORY)
    try:
        while not runs_now(before, sign):
            assert up.poll() is None
            time.sleep(0.05)
        up.send_signal(signal.SIGKILL)
        up.wait()
        assert came_in_between(before, snapshot(NAME)).keys() >= {"processes", "cgroups", "files"}
    finally:
        up.kill()
        up.wait()
        _down()
    _require_as(before)


def test_a_node_of_an_earlier_boot_is_taken_away() -> None:
    """A boot ends a node and takes its network from /run. podman still has it in its state."""
    before = snapshot(NAME)
    try:
        with alone():
            State(NAME).write(Record(http_port=1))
            machine.prepare()
            make_network()
            podman(
                "run", "--detach", f"--name={NAME}-control-plane",
                f"--label=io.x-k8s.kind.cluster={NAME}", f"--network={NETWORK}",
                "--entrypoint=sleep", node_image(), "600",
            )  # fmt: skip
        _end_as_a_boot_does(f"{NAME}-control-plane")
    finally:
        _down()
    _require_as(before)


def _require_as(before: dict[str, set[str]]) -> None:
    """The machine is as before, at the latest in a moment: the kernel takes a network's links away
    after its last process."""
    deadline = time.monotonic() + _GONE_SECONDS
    while (left := came_in_between(before, snapshot(NAME))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == {}


def _end_as_a_boot_does(container: str) -> None:
    fields = "{{.State.ConmonPid}} {{.State.Pid}} {{.NetworkSettings.SandboxKey}}"
    *processes, network = podman("inspect", f"--format={fields}", container).stdout.split()
    for process in processes:
        os.kill(int(process), signal.SIGKILL)
    subprocess.run(["umount", network], check=True)
    Path(network).unlink()
    shutil.rmtree("/run/servestack")


def _down() -> None:
    command = [*_COMMAND, "down", f"--name={NAME}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
