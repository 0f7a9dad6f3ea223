"""Runs the programs of a cluster in its control groups: daemons that stay, commands that end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tools.cluster import cgroups
from tools.cluster.state import ClusterError, Process, Record, State

# Enters the groups before the program runs: no child of it is ever outside them.
_ENTER = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 1; shift; done; shift; exec "$@"'


def spawn(
    state: State,
    record: Record,
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a daemon in a session of its own, with its output in logs/NAME.log, and note it."""
    log = state.folder / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            _inside(state, name, command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
            cwd=state.folder,
        )
    process.returncode = 0  # It outlives this program, which is meant: no warning about that.
    record.processes.append(Process(name, process.pid, _start_ticks(process.pid)))
    state.write(record)


def run(
    state: State, command: Sequence[str | Path], text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command of the cluster to its end, `text` at its input.

    It is in the cluster's groups too: where this program is killed meanwhile, it goes with the rest.
    """
    return subprocess.run(
        _inside(state, Path(command[0]).name, command),
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _inside(state: State, name: str, command: Sequence[str | Path]) -> list[str]:
    doors = cgroups.doors(state.cgroup)
    return ["/bin/sh", "-c", _ENTER, name, *map(str, (*doors, "--", *command))]


def is_alive(process: Process) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return process.start_ticks != 0 and _start_ticks(process.pid) == process.start_ticks


def check_alive(state: State, record: Record) -> None:
    """Say which daemon ended, with the end of its log, if one did."""
    for process in record.processes:
        if not is_alive(process):
            log = state.folder / "logs" / f"{process.name}.log"
            lines = log.read_text(errors="replace").splitlines()[-8:]
            raise ClusterError("\n  ".join([f"{process.name} ended; the end of {log}:", *lines]))


def _start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot (proc(5), field 22); 0 for none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])
