"""A server as a process tree on core 0: its start, its processes, its end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.performance.serving.venvs import PeerFailedError

SERVER_CORE = 0
CLIENT_CORE = 1
READY_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Launch:
    """How a server is started. `environment` comes on top of the caller's."""

    command: list[str]
    folder: Path
    environment: Mapping[str, str]
    port: int
    ready_path: str


@dataclass(frozen=True)
class RunningServer:
    """A server that has said that it is ready."""

    pid: int
    port: int
    ready_seconds: float

    def processes(self) -> list[int]:
        """The server, its children and theirs."""
        return _tree(self.pid)


@contextlib.contextmanager
def running(launch: Launch, log: Path) -> Iterator[RunningServer]:
    """The server, ready; ended with all its children at the end, by SIGTERM first."""
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *launch.command],
            cwd=launch.folder,
            env={**os.environ, **launch.environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, launch, log, started)
        yield RunningServer(process.pid, launch.port, time.monotonic() - started)
    finally:
        _stop(process)


def _wait_until_ready(
    process: subprocess.Popen[bytes], launch: Launch, log: Path, started: float
) -> None:
    while not _answers(launch.port, launch.ready_path):
        if process.poll() is not None:
            raise PeerFailedError(f"ended with {process.returncode}: {_last_line(log)}")
        if time.monotonic() - started > READY_SECONDS:
            raise PeerFailedError(f"not ready within {READY_SECONDS:g} s: {_last_line(log)}")
        time.sleep(0.005)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Listed first: children of a parent that has ended cannot be told from others' any more.
    tree = _tree(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for pid in tree:
        if pid == process.pid and process.returncode is not None:
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before the state may hold spaces and brackets.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    return lines[-1].strip()[:200]
