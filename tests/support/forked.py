"""Processes of their own that cost no imports: forked from one that has imported what takes seconds.

What a fresh interpreter does at its start is not seen here; tests of the command line itself start
one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from servestack.manifests.kinds import KINDS

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "servestack.apply.program", "servestack.cli.main", "kubernetes.client", "kubernetes.config",
        "pulumi.runtime.mocks",
        *(f"pulumi_kubernetes.{kind.declared_as[0]}" for kind in KINDS.values()),
    ]
)  # fmt: skip


def servestack(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, as a fork."""
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as pool:
        return pool.submit(_servestack, arguments, folder, dict(os.environ)).result()


def _servestack(
    arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    from servestack.cli.main import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["servestack", *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for stream, source in enumerate((nothing, output.fileno(), errors.fileno())):
            os.dup2(source, stream)
        try:
            main()
            status = 0
        except SystemExit as exit:
            status = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, status, *said)
