"""What is installed works without a checkout: templates, schemas and the skeleton are in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.wheel import build_wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_project_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "servestack.cli", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    where = subprocess.run(
        [sys.executable, "-c", "import servestack; print(servestack.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(installed) in where.stdout
    assert run("init").returncode == 0
    (tmp_path / "models/iris.yaml").unlink()
    assert run("new", "baked", "--from", "/opt/models/iris").returncode == 0
    rendered = run("render")
    assert rendered.returncode == 0, rendered.stderr
    assert (tmp_path / "rendered/prod/baked/prometheusrule-baked.yaml").exists()
    assert (tmp_path / "rendered/prod/baked/configmap-baked-dashboard.yaml").exists()
    assert run("check", "prod").returncode == 0
