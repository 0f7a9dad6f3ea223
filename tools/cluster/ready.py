"""Questions whose answers say that a component works."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import processes
from tools.cluster.state import ClusterError, State, say

Question = Callable[[], bool]
_SECONDS = 120


def wait(what: str, is_so: Question, check: Callable[[], None]) -> None:
    """Ask until the answer is yes; `check` raises where there is no hope."""
    say(f"waiting for {what}")
    deadline = time.monotonic() + _SECONDS
    while not is_so():
        check()
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not ready after {_SECONDS} s")
        time.sleep(0.2)


def find_kubectl() -> str:
    """The one of the virtual environment, else the one on PATH."""
    beside_python = Path(sys.executable).parent
    program = shutil.which("kubectl", path=f"{beside_python}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        raise ClusterError("kubectl is missing: requirements/dev.txt brings it")
    return program


@dataclass(frozen=True)
class Kubectl:
    """kubectl on the cluster of `state`, with the rights of `kubeconfig`."""

    state: State
    kubeconfig: Path

    def is_serving(self) -> bool:
        return self._run("get", "--raw", "/readyz").returncode == 0

    def exists(self, resource: str) -> bool:
        return self._run("get", resource).returncode == 0

    def has_condition(self, resource: str, condition: str) -> bool:
        path = f'jsonpath={{.status.conditions[?(@.type=="{condition}")].status}}'
        return self._run("get", resource, "-o", path).stdout == "True"

    def apply(self, objects: str) -> None:
        done = self._run("apply", "--server-side", "-f", "-", text=objects)
        if done.returncode != 0:
            raise ClusterError(f"the cluster's own objects are refused: {done.stderr.strip()}")

    def _run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [find_kubectl(), f"--kubeconfig={self.kubeconfig}", *arguments]
        return processes.run(self.state, command, text)


def resolves(name: str, server: str) -> bool:
    """Whether a name server has an address for a name (an A query of RFC 1035, over UDP)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    identity = secrets.token_bytes(2)
    query = identity + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect((server, 53))
        try:
            client.send(query)
            answer = client.recv(512)
        except OSError:
            return False
    code, count = answer[3] & 15, int.from_bytes(answer[6:8], "big")
    return answer[:2] == identity and code == 0 and count > 0


def answers(url: str, status: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == status)
    except urllib.error.HTTPError as error:
        return error.code == status
    except OSError:
        return False
