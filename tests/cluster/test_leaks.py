"""A cluster leaves nothing behind, however it ends. CYCLES=10 repeats start and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.cluster import kind
from tools.cluster.ready import find_kubectl

from tests.cluster.host_machine import came_in_between, require_podman, runs_now, snapshot
from tests.support.busybox import write_busybox_image
from tests.support.projects import REPOSITORY

NAME = "leaks"
_OBJECTS = Path(__file__).parent / "web.yaml"


@pytest.fixture(autouse=True)
def _podman(request: pytest.FixtureRequest) -> None:
    require_podman(request.config)


def test_start_and_stop_leave_nothing_behind(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    write_busybox_image(tmp_path / "busybox.tar")
    before = snapshot(NAME)
    for cycle in range(1, int(os.environ.get("CYCLES", "1")) + 1):
        started = time.monotonic()
        up = _cluster("up")
        try:
            assert up.returncode == 0, up.stderr
            came_up = time.monotonic()
            cluster = kind.find(NAME)
            assert cluster is not None
            assert up.stdout.strip() == str(cluster.kubeconfig)
            cluster.load_image(tmp_path / "busybox.tar")
            kubectl = [find_kubectl(), f"--kubeconfig={cluster.kubeconfig}"]
            subprocess.run([*kubectl, "apply", "-f", _OBJECTS], check=True)
            rollout = [*kubectl, "-n=web", "rollout", "status", "deployment/web", "--timeout=60s"]
            subprocess.run(rollout, check=True)
            assert came_in_between(before, snapshot(NAME)).keys() >= {
                "processes", "mounts", "links", "addresses", "rules", "cgroups", "files",
            }  # fmt: skip
        finally:
            ends = time.monotonic()
            down = _cluster("down")
        assert down.returncode == 0, down.stderr
        told = f"up in {came_up - started:.0f} s, down in {time.monotonic() - ends:.0f} s"
        record_property(f"kind, cycle {cycle}", told)
        assert came_in_between(before, snapshot(NAME)) == {}


@pytest.mark.parametrize("sign", ["podman run", "kubeadm init"])
def test_a_start_that_is_killed_is_taken_away(sign: str) -> None:
    """Before the first container is there, and while the first node is being made.

    What runs later is taken away with its node, as above.
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
        down = _cluster("down")
    assert down.returncode == 0, down.stderr
    assert came_in_between(before, snapshot(NAME)) == {}


_COMMAND = [sys.executable, "-m", "tools.cluster"]


def _cluster(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, command, f"--name={NAME}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
