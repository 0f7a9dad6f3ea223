"""A real apiserver takes every object of every project, and admits every pod as `restricted`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.kinds import WORKLOADS
from servestack.project import environment_names
from servestack.render.tree import read_tree
from servestack.review.gate import build_checked
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.kubernetes_client import ApiError
from tests.support.projects import PROJECTS, REPOSITORY

CASES = [
    pytest.param(root, environment, id=f"{root.name}-{environment}")
    for root in PROJECTS
    for environment in environment_names(root)
]


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pod that a Deployment's controller would make."""
    for body in manifests:
        if body["kind"] in WORKLOADS:
            template = body["spec"]["template"]
            metadata = {
                "name": body["metadata"]["name"],
                "namespace": body["metadata"]["namespace"],
            }
            yield {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": template["metadata"] | metadata,
                "spec": template["spec"],
            }


@pytest.mark.usefixtures("classes")
@pytest.mark.parametrize(("root", "environment"), CASES)
def test_everything_is_taken(root: Path, environment: str, apiserver: ApiServer) -> None:
    bodies = [manifest.body for manifest in build_checked(root, environment).manifests]
    try:
        for body in bodies:
            apiserver.client.apply(body)
        admitted = [apiserver.client.apply(pod, dry_run=True) for pod in pods(bodies)]
        assert admitted
    finally:
        for body in reversed(bodies):
            apiserver.client.delete(body)


def test_kubectl_applies_the_rendered_folder(apiserver: ApiServer) -> None:
    """`kubectl apply -R -f` needs nothing else: the namespace is in it, and comes first."""
    kubectl = [
        str(Path(sys.executable).with_name("kubectl")),
        f"--kubeconfig={apiserver.kubeconfig}", f"--context={CONTEXT}",
    ]  # fmt: skip
    folder = REPOSITORY / "rendered/prod"
    manifests = read_tree(folder)
    try:
        done = subprocess.run(
            [*kubectl, "apply", "--server-side", "-R", "-f", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(" serverside-applied") == len(manifests)
        again = subprocess.run(
            [*kubectl, "diff", "--server-side", "-R", "-f", folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert again.returncode == 0, again.stdout + again.stderr
    finally:
        for manifest in reversed(manifests):
            apiserver.client.delete(manifest.body)


def test_the_level_is_enforced(apiserver: ApiServer) -> None:
    """The test above could not fail if nothing were refused."""
    root = PROJECTS[0]
    bodies = [manifest.body for manifest in build_checked(root, "prod").manifests]
    namespace = next(body for body in bodies if body["kind"] == "Namespace")
    (pod,) = pods(bodies)
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    apiserver.client.apply(namespace)
    try:
        with pytest.raises(ApiError, match=r'violates PodSecurity "restricted'):
            apiserver.client.apply(pod, dry_run=True)
    finally:
        apiserver.client.delete(namespace)


def test_an_unknown_field_is_refused(apiserver: ApiServer) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "default"},
        "dta": {"a": "b"},
    }
    with pytest.raises(ApiError, match="field not declared in schema"):
        apiserver.client.apply(body)
