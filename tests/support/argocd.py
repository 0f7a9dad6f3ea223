"""Argo CD: its definitions and settings in a cluster, its programs as processes of this machine.

They are those that apply a repository: the application controller, the repo server and their redis.
Definitions and settings are those that its module publishes. It acts as the kubeconfig's user.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tools.install import module_folder

from servestack.manifests.manifest import Body
from tests.support.kubernetes_client import KubernetesClient
from tests.support.ports import free_ports
from tests.support.tools import installed

NAMESPACE = "argocd"
_MODULE = "github.com/argoproj/argo-cd/v3"
_API = "argoproj.io/v1alpha1"
_KINDS = ("application", "appproject")
_REFRESH = "argocd.argoproj.io/refresh"
# The repo server makes it, with a name that it always has.
_ASK_PASS = Path("/tmp/reposerver-ask-pass.sock")
_ENVIRONMENT = {
    "ARGOCD_FAKE_IN_CLUSTER": "true",
    "ARGOCD_GPG_ENABLED": "false",
    # Else the reason of an object's health is in redis alone, where the page and `argocd` read it.
    "ARGOCD_APPLICATION_CONTROLLER_PERSIST_RESOURCE_HEALTH": "true",
    # The repository is served on this machine.
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True)
class ArgoCd:
    """A running Argo CD, and the one Application that a test looks at."""

    client: KubernetesClient
    name: str

    def application(self) -> Body:
        """The Application as it is now."""
        live = self.client.get(self._body)
        assert live is not None
        return live

    @property
    def state(self) -> tuple[str, str]:
        """What it says of git and of the objects, such as ("Synced", "Healthy")."""
        status = self.application().get("status") or {}
        return (
            status.get("sync", {}).get("status", ""),
            status.get("health", {}).get("status", ""),
        )

    def is_synced(self) -> bool:
        """Whether it sees no difference to the commit that it read last."""
        return self.state[0] == "Synced"

    @property
    def revision(self) -> str:
        """The commit that was compared last."""
        return str((self.application().get("status") or {}).get("sync", {}).get("revision", ""))

    @property
    def applied(self) -> str:
        """The commit that was applied last, without a failure; empty while one is tried."""
        operation = (self.application().get("status") or {}).get("operationState") or {}
        result = operation.get("syncResult") or {}
        return str(result["revision"]) if operation.get("phase") == "Succeeded" else ""

    @property
    def syncs(self) -> int:
        """How often something was applied."""
        return len((self.application().get("status") or {}).get("history") or [])

    def resources(self, **fields: str) -> list[Body]:
        """What it says of its objects, of those that have these fields: kind, name, status."""
        found: list[Body] = (self.application().get("status") or {}).get("resources") or []
        return [one for one in found if fields.items() <= one.items()]

    def refused(self, revision: str) -> list[Body]:
        """The objects of a commit that it could not apply, each with the reason."""
        operation = (self.application().get("status") or {}).get("operationState") or {}
        result = operation.get("syncResult") or {}
        resources = result["resources"] if result.get("revision") == revision else []
        return [one for one in resources if one["status"] == "SyncFailed"]

    def refresh(self) -> tuple[str, str]:
        """Let it read git and the cluster again, past its caches; the state that it then sees."""
        asked = {"metadata": {"annotations": {_REFRESH: "hard"}}}
        self.client.patch(self._body, asked)
        # The controller takes it away once it has looked.
        self.wait("a refresh", lambda: _REFRESH not in self._annotations)
        return self.state

    def wait(self, what: str, is_so: Callable[[], Any], seconds: float = 60) -> Any:
        """Ask until the answer is true; returns it. AssertionError with what Argo CD says."""
        deadline = time.monotonic() + seconds
        while not (answer := is_so()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s\n{self.told()}"
            time.sleep(0.2)
        return answer

    def told(self) -> str:
        """All that it says, for whoever reads a failure."""
        return yaml.safe_dump(self.application().get("status"))

    @property
    def _annotations(self) -> dict[str, str]:
        return self.application()["metadata"].get("annotations") or {}

    @property
    def _body(self) -> Body:
        metadata = {"name": self.name, "namespace": NAMESPACE}
        return {"apiVersion": _API, "kind": "Application", "metadata": metadata}


def install_argocd(client: KubernetesClient) -> list[Body]:
    """Create its definitions, namespace and settings; all of it goes with what is returned."""
    module = module_folder("argocd", _MODULE)
    bodies = [_read(module / f"manifests/crds/{kind}-crd.yaml") for kind in _KINDS]
    bodies.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for body in bodies:
        client.apply(body)
    client.wait_for_kinds({"Application", "AppProject"}, {_API})
    for file in sorted((module / "manifests/base/config").glob("argocd-*.yaml")):
        settings = _read(file)
        settings["metadata"]["namespace"] = NAMESPACE
        if settings["kind"] == "Secret":  # Argo CD's API would make it, which does not run.
            settings["stringData"] = {"server.secretkey": secrets.token_urlsafe(32)}
        client.apply(settings)
    return bodies


@contextmanager
def running_argocd(kubeconfig: Path, folder: Path) -> Iterator[None]:
    """Its programs, on the cluster of a kubeconfig where it is installed, until the block ends."""
    program = str(installed("argocd"))
    redis, repo, repo_metrics, metrics = free_ports(4)
    commands = {
        "redis-server": [
            str(installed("redis-server")), "--bind", "127.0.0.1", "--port", str(redis),
            "--save", "", "--dir", str(folder),
        ],
        "argocd-repo-server": [
            program, "--address=127.0.0.1", f"--port={repo}", f"--redis=127.0.0.1:{redis}",
            "--metrics-address=127.0.0.1", f"--metrics-port={repo_metrics}",
        ],
        "argocd-application-controller": [
            program, f"--kubeconfig={kubeconfig}", f"--namespace={NAMESPACE}",
            f"--repo-server=127.0.0.1:{repo}", f"--redis=127.0.0.1:{redis}",
            f"--metrics-port={metrics}",
        ],
    }  # fmt: skip
    # Repositories are cloned into the temporary folder, and git has its settings at home.
    here = {"KUBECONFIG": str(kubeconfig), "HOME": str(folder), "TMPDIR": str(folder)}
    try:
        with ExitStack() as stack:
            for name, command in commands.items():
                environment = {**os.environ, **_ENVIRONMENT, **here, "ARGOCD_BINARY_NAME": name}
                log = stack.enter_context((folder / f"{name}.log").open("wb"))
                process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *command],
                    env=environment, cwd=folder, stdout=log, stderr=log,
                )  # fmt: skip
                stack.callback(_end, process)
            yield
    finally:
        _ASK_PASS.unlink(missing_ok=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read(file: Path) -> Body:
    body: Body = yaml.load(file.read_text(), yaml.CSafeLoader)
    return body
