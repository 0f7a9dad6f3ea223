"""How the command line speaks: stdout is data, stderr is talk, colour only for eyes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO

from servestack.errors import Problem


def write(text: str) -> None:
    """Data."""
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str) -> None:
    """Talk."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def say_problems(problems: Iterable[Problem]) -> None:
    """Errors, one a paragraph, and their count where there are several."""
    color = wants_color(sys.stderr)
    count = 0
    for problem in problems:
        count += 1
        mark = "\x1b[31merror\x1b[0m" if color else "error"
        say(f"{mark}: {problem}")
    if count > 1:
        say(f"{count} errors")


def wants_color(stream: TextIO) -> bool:
    """Whether a stream is a terminal, and its user has not said NO_COLOR."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
