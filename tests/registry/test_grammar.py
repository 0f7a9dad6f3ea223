"""Addresses in MLflow's own grammar: each is registered, locked and fetched for real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from servestack.cli.main import app
from servestack.errors import Location, RegistryError
from servestack.project import load_inputs
from servestack.resolve.lock import Lock, LockedArtifact, dump_lock, read_lock
from servestack.resolve.locking import LockRequest, lock_artifacts
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.resolve.service import resolve_service
from servestack_contract.artifact import parse_pin
from servestack_server.fetch.fetch import fetch
from tests.support.mlflow_server import MlflowServer, asking, register_iris

SPACED = "Iris Classifier"
NAMES = (SPACED, "iris.v2", "Blumen-größe", "iris@home", "50% #1?")


@pytest.fixture(scope="module")
def server(mlflow_server: MlflowServer) -> Iterator[MlflowServer]:
    """The server, with one model under names that MLflow allows."""
    version = register_iris(mlflow_server.uri, SPACED)
    client = mlflow.MlflowClient(mlflow_server.uri)
    run_id = client.get_model_version(SPACED, version).run_id
    for name in NAMES:
        if name != SPACED:
            with asking(mlflow_server.uri):
                mlflow.register_model(f"runs:/{run_id}/model", name)
        client.set_registered_model_alias(name, "production", "1")
    yield mlflow_server


def lock_one(server: MlflowServer, uri: str, known: Lock | None = None) -> LockedArtifact:
    registry = MlflowRegistry(MlflowAddress(server.uri))
    request = LockRequest("iris", "iris", uri, Location(Path("models/iris.yaml"), 4))
    lock = lock_artifacts([request], known or Lock("prod"), lambda uri: registry).lock
    return lock.models["iris"]["iris"]


def test_a_lock_with_such_an_address_is_read_back(server: MlflowServer, tmp_path: Path) -> None:
    artifact = lock_one(server, f"models:/{SPACED}@production")
    file = tmp_path / "prod.lock.yaml"
    file.write_text(dump_lock(Lock("prod", {"iris": {"iris": artifact}})), encoding="utf-8")
    assert read_lock(file, "prod").models["iris"]["iris"] == artifact


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rest", ["@production", "/1", "/01"])
def test_name_with_space_and_what_else_mlflow_allows(
    server: MlflowServer, name: str, rest: str
) -> None:
    artifact = lock_one(server, f"models:/{name}{rest}")
    assert (artifact.version, artifact.flavor) == ("1", "sklearn")


def test_a_percent_encoded_name_is_another_one(server: MlflowServer) -> None:
    with pytest.raises(RegistryError, match=r"SRV223 .*\n.*did you mean Iris Classifier\?"):
        lock_one(server, "models:/Iris%20Classifier@production")


@pytest.mark.parametrize("stage", ["Staging", "staging", "STAGING"])
def test_a_stage_in_any_case(server: MlflowServer, stage: str) -> None:
    client = mlflow.MlflowClient(server.uri)
    client.transition_model_version_stage(SPACED, "1", "Staging")
    assert lock_one(server, f"models:/{SPACED}/{stage}").version == "1"


def test_logged_model(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A logged model that nobody registered is locked by its id, and fetched."""
    from sklearn.linear_model import LinearRegression

    with asking(server.uri, "iris"), mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), name="my model",
            serialization_format="skops", pip_requirements=["scikit-learn"],
        )  # fmt: skip
    artifact = lock_one(server, info.model_uri)
    assert (artifact.version, artifact.run_id) == (info.model_id, run.info.run_id)
    assert artifact.source.startswith("mlflow-artifacts:")
    by_run = lock_one(server, f"runs:/{run.info.run_id}/my model")
    assert (by_run.source, by_run.sha256) == (artifact.source, artifact.sha256)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    fetch([parse_pin(f"iris={artifact.source}#sha256={artifact.sha256}")], tmp_path, say=print)
    assert (tmp_path / "iris/MLmodel").is_file()


def test_a_logged_model_is_fetched_once(server: MlflowServer) -> None:
    client = mlflow.MlflowClient(server.uri)
    model_id = client.get_model_version(SPACED, "1").model_id or _model_of(client)
    known = lock_one(server, f"models:/{model_id}")
    changed = Lock("prod", {"iris": {"iris": known}})
    assert lock_one(server, f"models:/{model_id}", changed) == known


def _model_of(client: mlflow.MlflowClient) -> str:
    run = client.get_run(client.get_model_version(SPACED, "1").run_id)
    return str(run.outputs.model_outputs[0].model_id)


def test_a_logged_model_that_is_not_there(server: MlflowServer) -> None:
    with pytest.raises(RegistryError, match=r"SRV223 .*not found\.\n.*check the model's id"):
        lock_one(server, f"models:/m-{'0' * 32}")


def test_run_path_with_space(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asking(server.uri, "iris"), mlflow.start_run() as run:
        mlflow.log_text("bytes", "nested path/the model.onnx")
    artifact = lock_one(server, f"runs:/{run.info.run_id}/nested path/the model.onnx")
    assert (artifact.format, artifact.size_bytes) == ("onnx", 5)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    fetch([parse_pin(f"iris={artifact.source}#sha256={artifact.sha256}")], tmp_path, say=print)
    assert (tmp_path / "iris/the model.onnx").read_text() == "bytes"


def test_archived_behind_alias(server: MlflowServer) -> None:
    """Pinned by number it is locked and noted; behind an alias somebody has to decide."""
    register_iris(server.uri, "archive")
    client = mlflow.MlflowClient(server.uri)
    client.set_registered_model_alias("archive", "production", "1")
    before = lock_one(server, "models:/archive/1")
    assert not before.archived
    client.transition_model_version_stage("archive", "1", "Archived")
    with pytest.raises(RegistryError, match=r"SRV224 .*archived\n.*models:/archive/1 to serve"):
        lock_one(server, "models:/archive@production")
    for uri in ("models:/archive/1", "models:/archive/archived"):
        after = lock_one(server, uri, Lock("prod", {"iris": {"iris": before}}))
        assert (after.archived, after.sha256) == (True, before.sha256)


def test_relative_sqlite(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`sqlite:///mlflow.db` is the project's database, from whichever folder the command runs."""
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")
    client.create_experiment("iris", artifact_location=(project / "my artifacts").as_uri())
    register_iris(client.tracking_uri)
    for file in (project / "models").glob("*.yaml"):
        if file.stem != "iris":
            file.unlink()
    spec = project / "models/iris.yaml"
    spec.write_text(spec.read_text().replace("models:/iris@production", "models:/iris/1"))
    stack = project / "stacks/prod.yaml"
    stack.write_text(stack.read_text().replace("http://127.0.0.1:5000", "sqlite:///mlflow.db"))
    (project / "stacks/prod.lock.yaml").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(SystemExit) as ended:
        app(["lock", "prod", "-C", str(project)])
    assert ended.value.code == 0, capfd.readouterr().err
    assert list(elsewhere.iterdir()) == []
    inputs = load_inputs(project, "prod")
    (spec_loaded,) = inputs.specs
    (model,) = resolve_service(spec_loaded, inputs.environment, inputs.lock).models
    assert model.artifact.version == "1"
    # A space in the path of the artifacts is no hindrance for fetch either.
    pin = parse_pin(f"iris={model.artifact.source}#sha256={model.artifact.sha256}")
    fetch([pin], tmp_path / "fetched", say=print)
    assert (tmp_path / "fetched/iris/MLmodel").is_file()
