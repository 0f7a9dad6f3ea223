"""Asks git: the one place that starts its processes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from servestack.errors import Problem, ResolveError

_GIT_SECONDS = 60


def run_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, whatever its exit code. Raises ResolveError (SRV231) if it cannot run."""
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
            env=_plain_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot_run(error) from None


def read_blobs(root: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of each object that git has, in the order of `names`.

    A name is anything that `git cat-file --batch` reads: an id, or `HEAD:stacks/prod.lock.yaml`. One
    process reads all of them, and one content at a time is in memory. An object that git does not
    have counts as empty. Raises ResolveError (SRV231) if git cannot run.
    """
    asked = list(names)
    if not asked:
        return
    with tempfile.TemporaryFile() as stdin:
        stdin.write("".join(f"{name}\n" for name in asked).encode())
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                ["git", "cat-file", "--batch"],
                cwd=root,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_plain_environment(),
            )
        except OSError as error:
            raise _cannot_run(error) from None
        with process:
            assert process.stdout is not None
            for name in asked:
                head = process.stdout.readline().split()
                content = b""
                if len(head) == 3 and head[2].isdigit():
                    content = process.stdout.read(int(head[2]))
                    process.stdout.read(1)  # The line break after each content.
                yield name, content


def _plain_environment() -> dict[str, str]:
    """Return the variables of this process, and those that make git answer the same everywhere."""
    return os.environ | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def _cannot_run(error: Exception) -> ResolveError:
    return ResolveError(Problem("SRV231", f"git cannot be run: {error}"))
