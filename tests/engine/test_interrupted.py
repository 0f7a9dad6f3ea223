"""A run that is stopped or killed leaves a stack that the next run, or the hint, can use.

Nothing makes pods ready on this API server, so an `up` that waits for a Deployment waits for long.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.projects import command, edit, on_apiserver, servestack
from tests.support.apiserver import ApiServer
from tests.support.kubernetes_provider import serving_provider

_SECONDS = 60


@pytest.fixture
def prod(
    project: Path, apiserver: ApiServer, state: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The prod environment, with a provider that waits for what it makes."""
    edit(
        project / "models/iris.yaml",
        "monitoring:",
        "rollout: {progressDeadlineSeconds: 3600}\nmonitoring:",
    )
    with on_apiserver(project, apiserver), serving_provider(waits=True) as address:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", address)
        yield project


def waiting_up(prod: Path, apiserver: ApiServer) -> subprocess.Popen[str]:
    """An `up` that has made the Deployment and waits for its pods."""
    process = subprocess.Popen(
        command("up", "prod", "--yes"), cwd=prod, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + _SECONDS
    while "iris" not in apiserver.client.list_names("apps/v1", "Deployment", "models"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(
    prod: Path, apiserver: ApiServer, state: Path, number: signal.Signals
) -> None:
    process = waiting_up(prod, apiserver)
    process.send_signal(number)
    said, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "SRV520 interrupted" in said, said
    assert list(state.glob(".pulumi/locks/**/*.json")) == []
    assert servestack("destroy", "prod", "--yes", folder=prod).returncode == 0


def test_the_hint_unlocks_the_stack_of_a_killed_run(
    prod: Path, apiserver: ApiServer, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = waiting_up(prod, apiserver)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=_SECONDS)

    refused = servestack("up", "prod", "--yes", folder=prod)
    assert refused.returncode == 1
    assert re.search(r"SRV516 another run holds the stack prod: \S+", refused.stderr)
    (hint,) = re.findall(r"`(pulumi cancel[^`]*)`", refused.stderr)
    subprocess.run(shlex.split(hint), cwd=prod, check=True, capture_output=True)

    with serving_provider(waits=False) as address:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", address)
        again = servestack("up", "prod", "--yes", folder=prod)
        assert again.returncode == 0, again.stderr
        assert "an earlier run was killed while it created" in again.stderr
        assert set(json.loads(servestack("preview", "prod", folder=prod).stdout)) == {"same"}
        assert servestack("destroy", "prod", "--yes", folder=prod).returncode == 0
    assert apiserver.client.list_names("apps/v1", "Deployment", "models") == []
