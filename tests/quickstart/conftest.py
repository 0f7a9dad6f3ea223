"""A newcomer's machine: servestack from its wheel in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.mlflow_server import UNUSED
from tests.support.wheel import build_wheel

UV = Path(sys.executable).with_name("uv")
SECONDS = 900

NOT_A_NEWCOMERS = ("PYTHON", "VIRTUAL_ENV", "MLFLOW_", "PULUMI_", "KUBECONFIG", "SERVESTACK_")
"""How variables begin that these tests, and those before them in this process, may have."""


@dataclass(frozen=True)
class Newcomer:
    """A folder with a project in it, and what is on the PATH there."""

    root: Path
    environment: dict[str, str]

    def type(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a line as a shell does, in the project."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.root, env=self.environment | variables, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip

    def must(self, command: str, **variables: str) -> str:
        """Run a line that must succeed; returns what it said on both streams."""
        done = self.type(command, **variables)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{said[-4000:]}"
        assert "Traceback" not in said, said[-4000:]
        return said


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """A project that `servestack init` of the wheel made, with its requirements in `.venv`."""
    folder = tmp_path_factory.mktemp("newcomer")
    wheel = build_wheel(folder)
    root = folder / "project"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(NOT_A_NEWCOMERS)}
    machine = Newcomer(root, kept | UNUSED)
    root.mkdir()
    uv = f"{UV} -q"
    # The tool by itself, as pipx would have it.
    machine.must(f"{uv} venv --python {sys.executable} ../tool")
    machine.must(f"{uv} pip install --python ../tool/bin/python {wheel}")
    machine.must("../tool/bin/servestack init")
    machine.must(f"{sys.executable} -m venv .venv")
    return machine
