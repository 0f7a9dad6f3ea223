"""Writes data to stdout and messages to stderr, with colour only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import NoReturn, TextIO

from servestack.errors import Problem
from servestack.secrets.search import masked_text
from servestack.words import counted


def write(text: str) -> None:
    """Write data to stdout."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        stop_for_reader()


def stop_for_reader() -> NoReturn:
    """End without an error: whoever reads stdout has enough, as `head` has."""
    # The interpreter would write what is left at its end, and fail.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def say(text: str) -> None:
    """Write one message to stderr. What others said, such as Pulumi, may hold a credential."""
    sys.stderr.write(f"{masked_text(text)}\n")
    sys.stderr.flush()


def say_problems(problems: Iterable[Problem]) -> None:
    """Write each problem to stderr, and their count if there are several."""
    color = wants_color(sys.stderr)
    count = 0
    for problem in problems:
        count += 1
        mark = "\x1b[31merror\x1b[0m" if color else "error"
        say(f"{mark}: {problem}")
    if count > 1:
        say(counted(count, "error"))


def wants_color(stream: TextIO) -> bool:
    """Return whether a stream is a terminal and its user has not set NO_COLOR."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
