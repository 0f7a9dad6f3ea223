"""`servestack lock` against a real MLflow server, and without one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from servestack.cli.lock_command import lock
from servestack.cli.start_commands import new
from servestack.errors import RegistryError
from servestack.resolve.lock import read_lock
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.spec.artifact_uri import parse_artifact_uri
from servestack.spec.load import load_model_service
from tests.support.mlflow_server import MlflowServer, end, register_iris, running_mlflow
from tests.support.ports import free_ports

Edit = Callable[[str], None]
DEFAULT_URI = "http://127.0.0.1:5000"


@pytest.fixture
def client(mlflow_server: MlflowServer) -> mlflow.MlflowClient:
    client = mlflow.MlflowClient(mlflow_server.uri)
    client.set_registered_model_alias("iris", "production", "1")
    client.set_registered_model_alias("iris", "candidate", "2")
    return client


@pytest.fixture
def registered(project: Path, mlflow_server: MlflowServer, client: mlflow.MlflowClient) -> Path:
    """The project with an empty lock, and prod asking the real server."""
    point_at(project, mlflow_server.uri)
    for file in (project / "stacks").glob("*.lock.yaml"):
        file.unlink()
    for file in (project / "models").glob("*.yaml"):
        if file.stem != "iris":
            file.unlink()
    return project


def point_at(project: Path, uri: str) -> None:
    file = project / "stacks/prod.yaml"
    text = file.read_text()
    assert DEFAULT_URI in text
    file.write_text(text.replace(DEFAULT_URI, uri))


def set_artifact(project: Path, uri: str) -> None:
    file = project / "models/iris.yaml"
    file.write_text(file.read_text().replace("models:/iris@production", uri))


def lock_prod(project: Path) -> str:
    lock(project, ["prod"], refresh=False)
    return (project / "stacks/prod.lock.yaml").read_text()


def test_lock_holds_what_the_registry_knows(registered: Path, client: mlflow.MlflowClient) -> None:
    lock_prod(registered)
    artifact = read_lock(registered / "stacks/prod.lock.yaml", "prod").models["iris"]["iris"]
    version = client.get_model_version("iris", "1")
    assert (artifact.version, artifact.run_id) == ("1", version.run_id)
    assert artifact.source == client.get_model_version_download_uri("iris", "1")
    assert artifact.source.startswith("mlflow-artifacts:")
    assert (artifact.flavor, artifact.format) == ("sklearn", "skops")
    names = [column["name"] for column in (artifact.signature or {})["inputs"]]
    assert names == ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def test_the_digest_is_what_a_shell_computes(
    registered: Path, tmp_path: Path, client: mlflow.MlflowClient
) -> None:
    lock_prod(registered)
    artifact = read_lock(registered / "stacks/prod.lock.yaml", "prod").models["iris"]["iris"]
    folder = mlflow.artifacts.download_artifacts(
        artifact.source, dst_path=str(tmp_path / "a"), tracking_uri=client.tracking_uri
    )
    command = (
        "find . -type f ! -path ./registered_model_meta -printf '%P\\0' |"
        " LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    )
    shell = subprocess.run(
        ["bash", "-c", command], cwd=folder, check=True, capture_output=True, text=True
    )
    assert shell.stdout.split()[0] == artifact.sha256


def test_a_moved_alias_is_one_line(registered: Path, client: mlflow.MlflowClient) -> None:
    before = lock_prod(registered).splitlines()
    client.set_registered_model_alias("iris", "production", "2")
    after = lock_prod(registered).splitlines()
    assert len(before) == len(after)
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert '"version": "2"' in changed[0]


def test_locking_again_changes_nothing(registered: Path) -> None:
    before = lock_prod(registered)
    written = (registered / "stacks/prod.lock.yaml").stat().st_mtime_ns
    assert lock_prod(registered) == before
    assert (registered / "stacks/prod.lock.yaml").stat().st_mtime_ns == written


def test_versions_stages_and_runs(registered: Path, client: mlflow.MlflowClient) -> None:
    run_id = client.get_model_version("iris", "1").run_id
    client.transition_model_version_stage("iris", "2", "Staging")
    registry = MlflowRegistry(MlflowAddress(client.tracking_uri))
    for uri, version in (
        ("models:/iris/2", "2"),
        ("models:/iris@production", "1"),
        ("models:/iris/Staging", "2"),
    ):
        assert registry.find(parse_artifact_uri(uri)).version == version
    found = registry.find(parse_artifact_uri(f"runs:/{run_id}/model"))
    assert found.run_id == run_id
    assert found.source == client.get_model_version_download_uri("iris", "1")


@pytest.mark.parametrize(
    ("uri", "id", "words"),
    [
        ("models:/irs@production", "SRV223", "did you mean iris?"),
        ("models:/iris@prodution", "SRV223", "iris has @production, @candidate, /2, /1"),
        ("models:/iris/99", "SRV223", "iris has /2, /1, @"),
        ("models:/iris/Production", "SRV223", "no version in stage Production"),
        ("runs:/0123456789abcdef0123456789abcdef/model", "SRV223", "not found"),
    ],
)
def test_what_is_not_there(registered: Path, uri: str, id: str, words: str) -> None:
    before = lock_prod(registered)
    set_artifact(registered, uri)
    with pytest.raises(RegistryError) as caught:
        lock_prod(registered)
    (problem,) = caught.value.problems
    assert problem.id == id
    assert words in str(problem)
    assert str(problem.location).startswith("models/iris.yaml:7")
    assert (registered / "stacks/prod.lock.yaml").read_text() == before


def test_new_fills_in_what_the_registry_knows(
    registered: Path, client: mlflow.MlflowClient
) -> None:
    new(registered, "flowers", "models:/iris@production", client.tracking_uri)
    spec = load_model_service(registered / "models/flowers.yaml").value
    names = [column.name for column in spec.api.input.columns or ()]
    assert names == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert spec.api.input.example == [[5.1, 3.5, 1.4, 0.2]]


def test_mlflow_down(registered: Path, mlflow_server: MlflowServer) -> None:
    before = lock_prod(registered)
    (port,) = free_ports(1)
    file = registered / "stacks/prod.yaml"
    file.write_text(file.read_text().replace(mlflow_server.uri, f"http://127.0.0.1:{port}"))
    with pytest.raises(RegistryError) as caught:
        lock_prod(registered)
    assert [problem.id for problem in caught.value.problems] == ["SRV222"]
    assert "connection refused" in str(caught.value)
    assert (registered / "stacks/prod.lock.yaml").read_text() == before


def test_mlflow_killed_while_it_sends_and_between_two_locks(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    with running_mlflow(folder) as server:
        version = register_iris(server.uri)
        mlflow.MlflowClient(server.uri).set_registered_model_alias("iris", "production", version)
        point_at(project, server.uri)
        before = lock_prod(project)

        def kill(text: str) -> None:
            if "fetching" in text:
                end(server.process)

        monkeypatch.setattr("servestack.cli.lock_command.say", kill)
        with pytest.raises(RegistryError, match=r"SRV226 .*connection refused"):
            lock(project, ["prod"], refresh=True)
        assert (project / "stacks/prod.lock.yaml").read_text() == before
        with pytest.raises(RegistryError, match="SRV222"):
            lock_prod(project)
    assert (project / "stacks/prod.lock.yaml").read_text() == before
