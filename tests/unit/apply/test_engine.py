"""What keeps the engine from starting. `pulumi` is a script here; the real one: tests/engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from servestack.apply.engine import Engine
from servestack.errors import ServestackError

CLI = """#!/bin/sh
case "$1" in
version) echo {version} ;;
*) echo "error: {error}" >&2; exit 255 ;;
esac
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but the shell's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    return folder


def put(cli: Path, error: str, version: str = "v3.250.0") -> None:
    (cli / "pulumi").write_text(CLI.format(error=error, version=version))
    (cli / "pulumi").chmod(0o755)


def failure(root: Path, *, create: bool = True) -> str:
    with pytest.raises(ServestackError) as caught:
        Engine(root, "prod", print, create=create)
    return str(caught.value)


def test_without_the_cli(project: Path, cli: Path) -> None:
    assert "SRV511 the Pulumi CLI is not installed" in failure(project)


def test_without_a_project_of_pulumi(project: Path, cli: Path) -> None:
    put(cli, "")
    (project / "Pulumi.yaml").unlink()
    assert "Pulumi.yaml: SRV519" in failure(project)
    assert not (project / "Pulumi.yaml").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("PULUMI_ACCESS_TOKEN must be set for login", "SRV512 Pulumi is not logged in"),
        ("passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "SRV513"),
        ("the stack is currently locked by 1 lock(s)", "SRV516 another run holds the stack prod"),
        ("something new", "SRV517 something new"),
    ],
)
def test_what_the_cli_says(project: Path, cli: Path, error: str, told: str) -> None:
    put(cli, error)
    assert failure(project).startswith(told)


def test_a_stack_that_is_not_there(project: Path, cli: Path) -> None:
    put(cli, "no stack named 'prod' found")
    assert failure(project, create=False).startswith("SRV518 prod was never brought up")


def test_a_cli_that_is_too_old(project: Path, cli: Path) -> None:
    put(cli, "", version="v3.199.0")
    told = failure(project)
    assert "SRV517 Minimum version requirement failed" in told
    assert "3.200.0" in told


def test_a_broken_spec_comes_first_where_it_matters(project: Path, cli: Path) -> None:
    """What stands can be taken away, whatever the files say by now."""
    spec = project / "models/iris.yaml"
    spec.write_text(spec.read_text().replace("@production", "@other"))
    assert "SRV201" in failure(project)
    put(cli, "no stack named 'prod' found")
    assert "SRV201" in failure(project)
    assert "SRV518" in failure(project, create=False)
