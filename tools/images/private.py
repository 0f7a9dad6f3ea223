"""Runs programs in mount and process namespaces of their own, with their progress on stderr."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Killed when the program that started it ends, together with all its children and mounts.
PRIVATELY = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
)
_STEP = re.compile(r"(\[\d+/\d+\] )?STEP |I: (Retrieving|Configuring the base|Base system)|#\d+ \[")


def run_privately(command: Sequence[str], folder: Path) -> None:
    """Run as root, with temporary files in `folder`. Raises SystemExit if the command fails."""
    run([*PRIVATELY, *command], folder)


def run(command: Sequence[str], folder: Path) -> None:
    """Run a command: print each step with its time, and write all output to folder/log."""
    started = time.monotonic()
    log = folder / "log"
    # Keep proxy and certificate settings; only redirect what would be written elsewhere.
    environment = os.environ | {"TMPDIR": str(folder), "BUILDAH_ISOLATION": "chroot"}
    with (
        log.open("a") as stream,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            stream.write(line)
            stream.flush()
            match = _STEP.match(line)
            if match is not None and match[0] != said:
                said = match[0] if match[0].startswith("I: R") else ""
                seconds = time.monotonic() - started
                print(f"{seconds:6.1f} s  {line.rstrip()[:100]}", file=sys.stderr, flush=True)
    if process.returncode != 0:
        end = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:])
        raise SystemExit(f"{end}\n{command[-1]}: failed; the whole output is in {log}")
