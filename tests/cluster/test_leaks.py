"""A cluster whose start is killed leaves nothing behind. Of one that came up, clusters.py sees it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.cluster.host_machine import came_in_between, require_podman, runs_now, snapshot
from tests.support.projects import REPOSITORY

NAME = "leaks"
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
        down = subprocess.run(
            [*_COMMAND, "down", f"--name={NAME}"],
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert down.returncode == 0, down.stderr
    assert came_in_between(before, snapshot(NAME)) == {}
