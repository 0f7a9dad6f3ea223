"""The command line in this process: many calls, each without an interpreter's start."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from servestack.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def servestack(*arguments: str | Path, folder: Path) -> Done:
    """Run the command line in a folder."""
    out, err, code = StringIO(), StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["servestack", *map(str, arguments)])
        patch.chdir(folder)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
