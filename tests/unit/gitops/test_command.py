"""`servestack gitops` in real git repositories: what it prints, writes, warns of and refuses."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.in_process import Done, servestack
from tests.support.projects import set_in_yaml
from tests.support.repository import Repository

Run = Callable[..., Done]
URL = "https://git.example.com/growth/models.git"
SSH = "ssh://git@git.example.com:2222/growth/models.git"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.of_project(tmp_path / "project")


@pytest.fixture
def run(repository: Repository) -> Run:
    """Run `servestack gitops TOOL prod` with an address, unless another is given."""

    def call(tool: str, *arguments: str | Path, at: Path = repository.root) -> Done:
        address = () if "--repository" in arguments else ("--repository", URL)
        return servestack("gitops", tool, "prod", *address, *arguments, folder=at)

    return call


def objects(done: Done) -> dict[str, Any]:
    """The printed objects by their kinds."""
    assert done.returncode == 0, done.stderr
    return {body["kind"]: body for body in yaml.safe_load_all(done.stdout)}


def test_an_application(run: Run) -> None:
    (application,) = objects(run("argocd")).values()
    assert application["metadata"] == {"name": "models-prod", "namespace": "argocd"}
    spec = application["spec"]
    assert spec["project"] == "default"
    assert spec["source"] == {
        "repoURL": URL,
        "targetRevision": "main",
        "path": "rendered/prod",
        "directory": {"recurse": True},
    }
    assert spec["destination"] == {
        "server": "https://kubernetes.default.svc",
        "namespace": "models-prod",
    }
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert {"ServerSideApply=true", "CreateNamespace=false"} <= {*spec["syncPolicy"]["syncOptions"]}
    assert "ignoreDifferences" not in spec


def test_every_option_of_argocd(run: Run) -> None:
    options = (
        "--repository git@git.example.com:growth/models.git --revision refs/tags/v1.2 --name iris "
        "--namespace gitops --server https://10.0.0.1:6443 --own-project --cascade"
    )
    done = run("argocd", *options.split())
    both = objects(done)
    assert list(both) == ["AppProject", "Application"], "the project has to be there first"
    application = both["Application"]
    assert application["metadata"] == {
        "name": "iris",
        "namespace": "gitops",
        "finalizers": ["resources-finalizer.argocd.argoproj.io"],
    }
    assert application["spec"]["project"] == both["AppProject"]["metadata"]["name"] == "iris"
    destination = {"server": "https://10.0.0.1:6443", "namespace": "models-prod"}
    assert application["spec"]["destination"] == destination
    assert both["AppProject"]["spec"]["destinations"] == [destination]
    assert application["spec"]["source"]["targetRevision"] == "refs/tags/v1.2"
    command = done.stdout.partition("\n")[0].partition("again: ")[2]
    assert shlex.split(command) == ["servestack", "gitops", "argocd", "prod", *options.split()]


def test_the_app_project_allows_what_is_rendered_and_no_more(
    run: Run, repository: Repository
) -> None:
    def limits() -> dict[str, Any]:
        spec: dict[str, Any] = objects(run("argocd", "--own-project"))["AppProject"]["spec"]
        return spec

    def kinds(key: str) -> set[str]:
        return {entry["kind"] for entry in limits()[key]}

    assert limits()["sourceRepos"] == [URL]
    assert kinds("clusterResourceWhitelist") == {"Namespace"}
    assert "Deployment" in kinds("namespaceResourceWhitelist")
    assert not kinds("namespaceResourceWhitelist") & {"Secret", "KafkaTopic", "RoleBinding"}
    file = repository.root / "stacks/prod.yaml"
    kafka = yaml.safe_load(file.read_text())["kafka"]
    topics = {"managedBy": "strimzi", "cluster": "events", "namespace": "kafka"}
    set_in_yaml(file, kafka=kafka | {"topics": topics}, createNamespace=False)
    assert kinds("clusterResourceWhitelist") == set()
    assert "KafkaTopic" in kinds("namespaceResourceWhitelist")
    assert [one["namespace"] for one in limits()["destinations"]] == ["models-prod", "kafka"]


def test_flux(run: Run) -> None:
    both = objects(run("flux", "--repository", SSH, "--secret", "models-key"))
    assert list(both) == ["GitRepository", "Kustomization"]
    for body in both.values():
        assert body["metadata"] == {"name": "models-prod", "namespace": "flux-system"}
    fetched = both["GitRepository"]["spec"]
    assert fetched["url"] == SSH
    assert fetched["ref"] == {"branch": "main"}
    assert fetched["secretRef"] == {"name": "models-key"}
    spec = both["Kustomization"]["spec"]
    assert spec["sourceRef"] == {"kind": "GitRepository", "name": "models-prod"}
    assert spec["path"] == "./rendered/prod"
    wanted = {"prune": True, "wait": True, "force": False, "deletionPolicy": "Orphan"}
    assert {key: spec[key] for key in wanted} == wanted
    assert not {"targetNamespace", "postBuild"} & spec.keys()
    assert objects(run("flux", "--cascade"))["Kustomization"]["spec"]["deletionPolicy"] == "Delete"


@pytest.mark.parametrize(
    ("revision", "reference"),
    [
        ("refs/tags/v1.2.0", {"name": "refs/tags/v1.2.0"}),
        ("0123456789" * 4, {"commit": "0123456789" * 4}),
        ("release/1.x", {"branch": "release/1.x"}),
    ],
)
def test_flux_is_told_what_a_revision_is(
    revision: str, reference: dict[str, str], run: Run
) -> None:
    found = objects(run("flux", "--revision", revision))
    assert found["GitRepository"]["spec"]["ref"] == reference


def test_flux_waits_as_long_as_the_slowest_model_may_take(run: Run, repository: Repository) -> None:
    def minutes() -> str:
        text: str = objects(run("flux"))["Kustomization"]["spec"]["timeout"]
        return text

    file = repository.root / "models/iris.yaml"
    set_in_yaml(file, rollout={"progressDeadlineSeconds": 3000, "minReadySeconds": 0})
    assert minutes() == "51m"
    file.unlink()
    assert minutes() == "5m", "an environment without a model"


def test_flux_does_not_wait_for_what_it_cannot_read(run: Run, repository: Repository) -> None:
    set_in_yaml(
        repository.root / "models/iris.yaml",
        autoscaling={"min": 2, "max": 4},
        rollout={"strategy": "canary", "minReadySeconds": 0},
    )
    rollouts = {"engine": "argo", "prometheusAddress": "http://p:9090/", "router": "nginx"}
    set_in_yaml(repository.root / "stacks/prod.yaml", rollouts=rollouts)
    done = run("flux")
    assert objects(done)["Kustomization"]["spec"]["wait"] is False
    assert "servestack wait prod" in done.stderr


def test_a_project_below_the_root_of_its_repository(tmp_path: Path, run: Run) -> None:
    repository = Repository.of_project(tmp_path / "platform")
    below = repository.root / "teams/Growth ML"
    below.mkdir(parents=True)
    for folder in ("models", "stacks"):
        shutil.move(repository.root / folder, below)
    application = objects(run("argocd", at=below))["Application"]
    assert application["spec"]["source"]["path"] == "teams/Growth ML/rendered/prod"
    assert application["metadata"]["name"] == "growth-ml-prod"
    spec = objects(run("flux", at=below))["Kustomization"]["spec"]
    assert spec["path"] == "./teams/Growth ML/rendered/prod"


def test_files_that_are_not_in_git_are_noticed(run: Run, repository: Repository) -> None:
    assert "run `servestack render prod`, and commit it" in run("argocd").stderr
    servestack("render", "prod", folder=repository.root)
    assert "nothing of it is in git yet" in run("argocd").stderr
    repository.commit("rendered")
    assert run("argocd").stderr == ""


def test_a_file_is_written_and_compared(run: Run, repository: Repository) -> None:
    file = repository.root / "gitops/prod.yaml"
    stale = run("flux", "--to", "gitops/prod.yaml", "--check")
    assert (stale.returncode, file.exists()) == (1, False)
    done = run("flux", "--to", "gitops/prod.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    assert file.read_text() == run("flux").stdout
    assert [one.name for one in file.parent.iterdir()] == ["prod.yaml"]
    assert run("flux", "--to", "gitops/prod.yaml", "--check").returncode == 0
    changed = run("flux", "--to", "gitops/prod.yaml", "--check", "--revision", "dev")
    assert changed.returncode == 1
    assert "gitops/prod.yaml: stale" in changed.stderr
    assert "branch: main" in file.read_text()


@pytest.mark.parametrize(
    ("tool", "address", "id"),
    [
        ("argocd", "https://ada:hunter2hunter2@git.example.com/m.git", "SRV722"),
        ("argocd", "https://ghp_0123456789abcdefghij0123456789abcdef@github.com/a/b.git", "SRV722"),
        ("flux", "https://mytoken@git.example.com/m.git", "SRV722"),
        ("flux", "ssh://git:hunter2hunter2@git.example.com/m.git", "SRV722"),
        ("argocd", "git:hunter2hunter2@git.example.com:m.git", "SRV722"),
        ("argocd", "https://git.example.com/m.git?private_token=hunter2hunter2", "SRV722"),
        ("argocd", "https://git.example.com", "SRV721"),
        ("argocd", "https:///m.git", "SRV721"),
        ("argocd", "https://git.example.com:99999/m.git", "SRV721"),
        ("argocd", "https://git.example.com/a b.git", "SRV721"),
        ("argocd", "https://git.example.com/m.git\n", "SRV721"),
        ("argocd", "ssh://git.example.com/m.git", "SRV721"),
        ("argocd", "HTTPS://git.example.com/m.git", "SRV721"),
        ("argocd", "--upload-pack=touch", "SRV721"),
        ("argocd", "../models", "SRV721"),
        ("argocd", "file:///srv/models.git", "SRV721"),
        ("argocd", "", "SRV721"),
        ("flux", "git@git.example.com:growth/models.git", "SRV721"),
    ],
)
def test_an_address_that_no_controller_may_get(tool: str, address: str, id: str, run: Run) -> None:
    done = run(tool, "--repository", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{id} --repository: " in done.stderr
    assert "Traceback" not in done.stderr
    for secret in ("hunter2", "ghp_", "mytoken"):
        assert secret not in done.stderr
    if address.startswith("git@"):
        assert "ssh://git@git.example.com/growth/models.git" in done.stderr


@pytest.mark.parametrize("address", [URL, SSH, "http://[fd00::1]:3000/m", "https://h/_git/a%20b"])
@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_an_address_that_every_controller_takes(tool: str, address: str, run: Run) -> None:
    assert run(tool, "--repository", address).returncode == 0


@pytest.mark.parametrize(
    ("tool", "options", "id"),
    [
        ("argocd", ["--check"], "SRV724"),
        ("argocd", ["--secret", "a"], "SRV724"),
        ("argocd", ["--own-project", "--app-project", "default"], "SRV724"),
        ("flux", ["--own-project"], "SRV724"),
        ("flux", ["--server", "https://a"], "SRV724"),
        ("argocd", ["--server", "a:6443"], "SRV727"),
        ("argocd", ["--server", "https://a:b"], "SRV727"),
        ("argocd", ["--server", "https://ada:hunter2hunter2@a"], "SRV727"),
        ("argocd", ["--name", "Iris"], "SRV723"),
        ("argocd", ["--name", "i" * 64], "SRV723"),
        ("flux", ["--namespace", "a/b"], "SRV723"),
        ("argocd", ["--revision", "a..b"], "SRV725"),
        ("argocd", ["--revision", "-x"], "SRV725"),
        ("argocd", ["--revision", ""], "SRV725"),
        ("flux", ["--revision", "HEAD"], "SRV725"),
        ("argocd", ["--to", "rendered/prod/_environment/application.yaml"], "SRV726"),
        ("argocd", ["--to", "models/iris.yaml/prod.yaml"], "SRV304"),
        ("argocd", ["--to", "models", "--check"], "SRV101"),
    ],
)
def test_options_that_make_no_sense(tool: str, options: list[str], id: str, run: Run) -> None:
    done = run(tool, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{id} " in done.stderr
    assert not {"Traceback", "hunter2"} & set(done.stderr.split())


def test_an_unknown_environment(repository: Repository) -> None:
    done = servestack(
        "gitops", "argocd", "nowhere", "--repository", URL, folder=repository.root
    )  # fmt: skip
    assert done.returncode == 1
    assert "SRV206" in done.stderr


def test_without_a_repository(project: Path) -> None:
    done = servestack("gitops", "flux", "prod", "--repository", URL, folder=project)
    assert done.returncode == 1
    assert "SRV720" in done.stderr
    assert "not a git repository" in done.stderr
