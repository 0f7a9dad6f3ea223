"""A real Argo CD compares every kind of object that is rendered, on a real Kubernetes API.

No controller and no kubelet is behind that API: what it compares is what the API has made of the
files. What comes of the objects on a cluster is not seen here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest
import yaml

from servestack.manifests.manifest import Body
from tests.real.test_read_back import UNUSUAL_ENVIRONMENT, UNUSUAL_SPEC
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.argocd import ArgoCd, install_argocd, running_argocd
from tests.support.git_server import serving_git
from tests.support.in_process import servestack
from tests.support.projects import REPOSITORY, set_in_yaml

pytestmark = pytest.mark.skipif(
    os.environ.get("ARGOCD") != "1", reason="ARGOCD=1 runs it: Argo CD takes minutes to build"
)
KINDS = {
    "AnalysisTemplate", "ConfigMap", "Deployment", "HTTPRoute", "HorizontalPodAutoscaler", "Ingress",
    "KafkaTopic", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor",
    "PrometheusRule", "Rollout", "ScaledObject", "Service", "ServiceAccount",
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A project in git, and an Application for each of its environments."""

    root: Path
    applications: dict[str, ArgoCd]

    def rendered(self, environment: str) -> list[Path]:
        return list((self.root / "rendered" / environment).rglob("*.yaml"))


@pytest.fixture(scope="module")
def compared(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """A Rollout in dev, a route and Strimzi's topics in staging, a ScaledObject in prod."""
    folder = tmp_path_factory.mktemp("argocd")
    found = Compared(folder / "project", {})
    _make_project(found.root)
    for environment in ("dev", "staging", "prod"):
        _run(found.root, "render", environment)
    commit(found.root)
    kubeconfig = folder / "kubeconfig"
    config = yaml.safe_load(apiserver.kubeconfig.read_text()) | {"current-context": CONTEXT}
    kubeconfig.write_text(yaml.safe_dump(config))
    install_argocd(apiserver.client)
    applied = []
    with serving_git(found.root / ".git") as address, running_argocd(kubeconfig, folder):
        for environment in ("dev", "staging", "prod"):
            command = ("gitops", "argocd", environment, "--repository", address, "--own-project")
            applied += list(yaml.safe_load_all(_run(found.root, *command)))
            name = applied[-1]["metadata"]["name"]
            found.applications[environment] = ArgoCd(apiserver.client, name)
        for body in applied:
            apiserver.client.apply(body)
        yield found
    for body in applied:
        apiserver.client.delete(body)
    for environment in found.applications:
        for file in found.rendered(environment):
            apiserver.client.delete(yaml.safe_load(file.read_text()))


def _make_project(root: Path) -> None:
    for name in ("models", "stacks"):
        shutil.copytree(REPOSITORY / name, root / name)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    set_in_yaml(root / "models/iris.yaml", **UNUSUAL_SPEC)
    rollouts = {"engine": "argo", "prometheusAddress": "http://p:9090/", "router": "nginx"}
    canary = {"iris": {"rollout": {"strategy": "canary"}}}
    set_in_yaml(root / "stacks/dev.yaml", overrides=canary, rollouts=rollouts)
    set_in_yaml(root / "stacks/staging.yaml", **UNUSUAL_ENVIRONMENT)
    keda = {"customMetrics": "keda", "keda": {"serverAddress": "http://p:9090/"}}
    set_in_yaml(root / "stacks/prod.yaml", metrics=keda, guardRails={})


def _run(root: Path, *arguments: str) -> str:
    done = servestack(*arguments, folder=root)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(root: Path) -> str:
    """Commit everything, and return the commit's id."""
    author = ("-c", "user.name=owner", "-c", "user.email=owner@example.com")
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", *author, "commit", "-qm", "rendered"], cwd=root, check=True)
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(asked, cwd=root, check=True, stdout=PIPE, text=True).stdout.strip()


def test_no_kind_differs_from_its_file(compared: Compared) -> None:
    """Nor does a second look find anything, and each AppProject allows what its environment has."""
    kinds = set()
    for environment, argocd in compared.applications.items():
        argocd.wait("in sync", argocd.is_synced)
        assert argocd.refresh()[0] == "Synced", argocd.told()
        assert argocd.syncs == 1
        resources = argocd.resources(status="Synced")
        assert len(resources) == len(compared.rendered(environment))
        kinds |= {one["kind"] for one in resources}
    assert kinds == KINDS


def test_a_default_that_a_route_leaves_out_would_differ(compared: Compared) -> None:
    """The test above could not fail if Argo CD did not see what it is told to see."""
    argocd = compared.applications["staging"]
    (file,) = (one for one in compared.rendered("staging") if one.name.startswith("httproute"))
    route = yaml.safe_load(file.read_text())
    del route["spec"]["rules"][0]["backendRefs"][0]["weight"]
    file.write_text(yaml.safe_dump(route))
    commit(compared.root)
    argocd.refresh()
    argocd.wait("the route is applied again", lambda: argocd.syncs == 2)
    assert argocd.refresh()[0] == "OutOfSync"
    assert [one["kind"] for one in argocd.resources(status="OutOfSync")] == ["HTTPRoute"]


def test_the_app_project_allows_nothing_else(compared: Compared) -> None:
    """A file in git that servestack would not render, for one who can write to the repository."""
    argocd = compared.applications["dev"]
    strays = [
        _stray("v1", "Secret", "models-dev"),
        _stray("v1", "ConfigMap", "kube-system"),
        _stray("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ]
    for number, body in enumerate(strays):
        file = compared.root / f"rendered/dev/stray-{number}.yaml"
        file.write_text(yaml.safe_dump(body))
    revision = commit(compared.root)
    argocd.refresh()
    refused = argocd.wait("a sync that fails", lambda: argocd.refused(revision))
    assert {one["kind"] for one in refused} == {"Secret", "ConfigMap", "ClusterRole"}
    assert all("not permitted in project" in one["message"] for one in refused)
    assert not any(argocd.client.get(body) for body in strays)
    for file in compared.rendered("dev"):
        if file.name.startswith("stray"):
            file.unlink()
    revision = commit(compared.root)
    argocd.refresh()
    # Without `refresh` the commit before would be tried again, ten times.
    argocd.wait("the commit that corrects it", lambda: argocd.applied == revision)


def _stray(api_version: str, kind: str, namespace: str = "") -> Body:
    metadata = {"name": "stray"} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
