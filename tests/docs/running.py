"""Run the `sh` blocks of a page in a project."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer.main

from servestack.cli.main import app
from servestack.errors import ServestackError

_SHELL_SECONDS = 120
_PROGRAM = "servestack"
_OF_A_SHELL = ("|", ">", "<", ";", "&", "$", "`")
CHANGES = 2
"""Exit code of `servestack diff` where something changes."""


def run(script: str, project: Path, variables: Mapping[str, str]) -> None:
    """Run a block line by line in the current folder, which is the project's.

    Calls of servestack run in this process: MLflow takes seconds to import. The others run in bash.
    Raises AssertionError if a command fails.
    """
    for own, text in _pieces(script):
        if own:
            _servestack(text)
        else:
            _bash(text, project, variables)


def _pieces(script: str) -> Iterator[tuple[bool, str]]:
    """(whether servestack is called, a line or several lines of bash)"""
    collected: list[str] = []
    for line in script.splitlines():
        if line.startswith(f"{_PROGRAM} ") and not any(sign in line for sign in _OF_A_SHELL):
            yield False, "\n".join(collected)
            collected = []
            yield True, line
        else:
            collected.append(line)
    yield False, "\n".join(collected)


def _servestack(line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    try:
        code = typer.main.get_command(app).main(arguments, _PROGRAM, standalone_mode=False)
    except ServestackError as error:
        raise AssertionError(f"{line}: {error.problems}") from None
    allowed = (0, CHANGES) if arguments[0] == "diff" else (0,)
    assert (code or 0) in allowed, f"{line}: ended with {code}"


def _bash(script: str, project: Path, variables: Mapping[str, str]) -> None:
    if not script.strip():
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=project, env=_environment(variables), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=_SHELL_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{(done.stdout + done.stderr)[-3000:]}"


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    programs = Path(sys.executable).parent
    return os.environ | variables | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
