"""Processes of their own that cost no imports: forked from one that has imported what takes seconds.

What a fresh interpreter does at its start is not seen here; tests of the command line itself start
one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from servestack.manifests.kinds import KINDS

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "servestack.apply.program", "servestack.cli.main", "kubernetes.client", "kubernetes.config",
        "pulumi.runtime.mocks", "servestack_server.cli", "servestack_server.process",
        *(f"pulumi_kubernetes.{kind.declared_as[0]}" for kind in KINDS.values()),
    ]
)  # fmt: skip

_SECONDS = 300
"""A process that takes longer is ended: BrokenProcessPool."""


def servestack(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, as a fork."""
    return _forked("servestack.cli.main", arguments, folder)


def servestack_server(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the server's command line, as a fork."""
    return _forked("servestack_server.cli", arguments, Path.cwd())


def _forked(
    module: str, arguments: Sequence[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as pool:
        return pool.submit(_run, module, arguments, folder, dict(os.environ)).result()


def _run(
    module: str, arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    signal.alarm(_SECONDS)
    main = import_module(module).main
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for stream, source in enumerate((nothing, output.fileno(), errors.fileno())):
            os.dup2(source, stream)
        try:
            status = main() or 0
        except SystemExit as exit:
            status = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, status, *said)
