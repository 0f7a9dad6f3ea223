"""Checks whether the components of a cluster work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.state import ClusterError, say

Question = Callable[[], bool]
_SECONDS = 300
"""Ten times what it takes on two cores: right after a build, the disk is busy for minutes."""


def wait(what: str, is_so: Question) -> None:
    """Ask until the answer is yes. Raises ClusterError after 300 s."""
    say(f"waiting for {what}")
    deadline = time.monotonic() + _SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not ready after {_SECONDS} s")
        time.sleep(0.2)


def find_kubectl() -> str:
    """The kubectl of the virtual environment, else of PATH. Raises ClusterError without one."""
    beside_python = Path(sys.executable).parent
    program = shutil.which("kubectl", path=f"{beside_python}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        raise ClusterError("kubectl is missing: install requirements/dev.txt")
    return program


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the rights of `kubeconfig`."""

    kubeconfig: Path

    def exists(self, resource: str) -> bool:
        return self._run("get", resource).returncode == 0

    def has_condition(self, resource: str, condition: str) -> bool:
        path = f'jsonpath={{.status.conditions[?(@.type=="{condition}")].status}}'
        return self._run("get", resource, "-o", path).stdout == "True"

    def ready_nodes(self) -> int:
        path = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
        return self._run("get", "nodes", "-o", path).stdout.split().count("True")

    def tell(self) -> str:
        """Nodes, pods and the last events, for finding out why the cluster is not ready."""
        there = self._run("get", "nodes,pods", "--all-namespaces", "-o", "wide").stdout
        happened = self._run("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp").stdout
        return "\n".join([there, *happened.splitlines()[-20:]])

    def is_available(self, deployment: str, namespace: str) -> bool:
        wanted = "jsonpath={.status.availableReplicas}"
        shown = self._run(
            "get", f"deployment/{deployment}", f"--namespace={namespace}", "-o", wanted
        )
        return shown.stdout not in ("", "0")

    def node_address(self) -> str:
        path = "jsonpath={.items[0].status.addresses[0].address}"
        return self._run("get", "nodes", "-o", path).stdout

    def apply(self, objects: str) -> None:
        done = self._run("apply", "--server-side", "-f", "-", text=objects)
        if done.returncode != 0:
            raise ClusterError(f"the cluster refuses its add-ons: {done.stderr.strip()}")

    def _run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [find_kubectl(), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def answers(url: str, status: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == status)
    except urllib.error.HTTPError as error:
        return error.code == status
    except OSError:
        return False
