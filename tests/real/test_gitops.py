"""What `servestack gitops` prints, by the CRDs of Argo CD and Flux in a real Kubernetes API.

The API refuses a field that the CRD does not have, and a value that it does not allow. It cannot
say what the controllers do with the objects: `test_argocd.py` runs Argo CD, and nothing runs Flux.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tools.install import module_folder

from servestack.manifests.manifest import Body
from tests.support.apiserver import ApiServer
from tests.support.in_process import servestack
from tests.support.kubernetes_client import ApiError
from tests.support.projects import set_in_yaml
from tests.support.repository import Repository

_CRDS = {
    ("argocd", "github.com/argoproj/argo-cd/v3"): [
        "manifests/crds/application-crd.yaml",
        "manifests/crds/appproject-crd.yaml",
    ],
    ("gitops", "github.com/fluxcd/source-controller"): [
        "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
    ],
    ("gitops", "github.com/fluxcd/kustomize-controller"): [
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
    ],
}
_NAMESPACES = ("argocd", "flux-system")
_SET_BY_THE_API = {
    "creationTimestamp", "generation", "managedFields", "resourceVersion", "uid",
}  # fmt: skip


@pytest.fixture(scope="module")
def controllers(apiserver: ApiServer) -> ApiServer:
    """An API that knows the kinds of both controllers."""
    served: dict[str, str] = {}
    for (pins, module), paths in _CRDS.items():
        folder = module_folder(pins, module)
        for path in paths:
            crd = yaml.load((folder / path).read_text(), yaml.CSafeLoader)
            apiserver.client.apply(crd)
            spec = crd["spec"]
            version = next(one["name"] for one in spec["versions"] if one["storage"])
            served[spec["names"]["kind"]] = f"{spec['group']}/{version}"
    apiserver.client.wait_for_kinds(set(served), set(served.values()))
    for name in _NAMESPACES:
        apiserver.client.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
    return apiserver


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Repository.of_project(tmp_path / "project").root


def printed(root: Path, tool: str, *arguments: str) -> list[Body]:
    url = "https://git.example.com/growth/models.git"
    done = servestack("gitops", tool, "prod", "--repository", url, *arguments, folder=root)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("argocd", ""),
        ("argocd", "--name all --own-project --cascade --server https://10.0.0.1:6443"),
        ("flux", ""),
        ("flux", "--name all --cascade --secret key --revision refs/tags/v1.2.0"),
    ],
)
def test_the_api_stores_the_objects_as_they_were_printed(
    tool: str, options: str, root: Path, controllers: ApiServer
) -> None:
    """A default that the CRD adds would be a difference for whoever keeps these objects in git."""
    for body in printed(root, tool, *options.split()):
        stored = controllers.client.apply(body)
        metadata = stored["metadata"]
        stored["metadata"] = {k: v for k, v in metadata.items() if k not in _SET_BY_THE_API}
        stored.pop("status", None)
        assert stored == body


def test_the_longest_name_and_a_canary(root: Path, controllers: ApiServer) -> None:
    set_in_yaml(
        root / "models/iris.yaml",
        autoscaling={"min": 2, "max": 4},
        rollout={"strategy": "canary", "minReadySeconds": 0, "progressDeadlineSeconds": 3000},
    )
    rollouts = {"engine": "argo", "prometheusAddress": "http://p:9090/", "router": "nginx"}
    set_in_yaml(root / "stacks/prod.yaml", rollouts=rollouts)
    for tool in ("argocd", "flux"):
        for body in printed(root, tool, "--name", "n" * 63):
            assert controllers.client.apply(body, dry_run=True)


def test_the_api_would_refuse_what_the_kinds_do_not_have(
    root: Path, controllers: ApiServer
) -> None:
    application = printed(root, "argocd")[0]
    application["spec"]["syncPolicy"]["retry"]["forever"] = True
    with pytest.raises(ApiError, match=r"forever"):
        controllers.client.apply(application, dry_run=True)
    repository, kustomization = printed(root, "flux")
    repository["spec"]["url"] = "git@git.example.com:growth/models.git"
    kustomization["spec"]["timeout"] = "10 minutes"
    kustomization["spec"]["deletionPolicy"] = "Keep"
    for body, fields in ((repository, ["url"]), (kustomization, ["timeout", "deletionPolicy"])):
        with pytest.raises(ApiError) as refused:
            controllers.client.apply(body, dry_run=True)
        assert all(f"spec.{field}" in str(refused.value) for field in fields)
