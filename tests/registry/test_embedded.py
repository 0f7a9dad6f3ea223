"""`servestack lock` over an MLflow without a server: a sqlite database and a folder."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import pytest

from servestack.errors import Location, RegistryError
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.locking import LockRequest, lock_artifacts
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from tests.support.mlflow_server import asking, register_iris

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's database that hold paths."""


@dataclass(frozen=True)
class Embedded:
    """A database with `iris` registered once, and where it keeps artifacts."""

    folder: Path
    run_id: str

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.uri, self.uri)

    def execute(self, statement: str) -> None:
        with sqlite3.connect(self.folder / "mlflow.db") as database:
            database.execute(statement)


@pytest.fixture(scope="module")
def registered_once(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    folder = tmp_path_factory.mktemp("embedded")
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    client.create_experiment("iris", artifact_location=(folder / "artifacts").as_uri())
    version = register_iris(client.tracking_uri)
    run_id = client.get_model_version("iris", version).run_id
    with asking(client.tracking_uri, "iris"), mlflow.start_run(run_id=run_id):
        mlflow.log_text("bytes", "exported/iris.onnx")
    return Embedded(folder, str(run_id))


@pytest.fixture
def embedded(registered_once: Embedded, tmp_path: Path) -> Embedded:
    """A copy to change at will, with its own paths in the database."""
    copy = Embedded(tmp_path / "mlflow", registered_once.run_id)
    shutil.copytree(registered_once.folder, copy.folder)
    for table, column in LOCATIONS:
        copy.execute(
            f"UPDATE {table} SET {column} ="
            f" replace({column}, '{registered_once.folder}', '{copy.folder}')"
        )
    return copy


def lock_one(
    embedded: Embedded, uri: str, lock: Lock | None = None, *, refresh: bool = False
) -> Lock:
    registry = MlflowRegistry(MlflowAddress(embedded.uri))
    request = LockRequest("iris", "iris", uri, Location(Path("models/iris.yaml"), 4))
    return lock_artifacts(
        [request], lock or Lock("prod"), lambda uri: registry, refresh=refresh
    ).lock


def artifact_of(lock: Lock) -> LockedArtifact:
    return lock.models["iris"]["iris"]


def test_a_tampered_file_shows_when_it_is_fetched_again(embedded: Embedded) -> None:
    lock = lock_one(embedded, "models:/iris/1")
    artifact = artifact_of(lock)
    folder = Path(unquote(urlsplit(artifact.source).path))
    (folder / "model.skops").write_bytes(b"another model")
    assert artifact_of(lock_one(embedded, "models:/iris/1", lock)) == artifact
    fetched = artifact_of(lock_one(embedded, "models:/iris/1", lock, refresh=True))
    assert (fetched.version, fetched.source) == (artifact.version, artifact.source)
    assert fetched.sha256 != artifact.sha256


def test_a_model_of_a_run_is_the_registered_one(embedded: Embedded) -> None:
    registered = artifact_of(lock_one(embedded, "models:/iris/1"))
    logged = artifact_of(lock_one(embedded, f"runs:/{embedded.run_id}/model"))
    assert (logged.sha256, logged.source) == (registered.sha256, registered.source)
    assert (logged.run_id, logged.version) == (embedded.run_id, "")
    assert (logged.flavor, logged.format) == ("sklearn", "skops")


def test_a_file_of_a_run(embedded: Embedded) -> None:
    artifact = artifact_of(lock_one(embedded, f"runs:/{embedded.run_id}/exported/iris.onnx"))
    assert (artifact.format, artifact.size_bytes) == ("onnx", 5)
    assert artifact.source.endswith(f"{embedded.run_id}/artifacts/exported/iris.onnx")


@pytest.mark.parametrize("path", ["modle", "exported/other.onnx"])
def test_a_run_without_that_artifact(embedded: Embedded, path: str) -> None:
    with pytest.raises(RegistryError, match=f"SRV223 .*no artifact {path}\n.*exported") as caught:
        lock_one(embedded, f"runs:/{embedded.run_id}/{path}")
    assert "model" in caught.value.problems[0].hint


def test_a_deleted_run(embedded: Embedded) -> None:
    embedded.client.delete_run(embedded.run_id)
    with pytest.raises(RegistryError, match=r"SRV224 .*the run is deleted"):
        lock_one(embedded, f"runs:/{embedded.run_id}/model")


def test_a_version_that_is_not_ready(embedded: Embedded) -> None:
    embedded.execute("UPDATE model_versions SET status = 'PENDING_REGISTRATION'")
    with pytest.raises(RegistryError, match=r"SRV224 .*version 1 is PENDING_REGISTRATION"):
        lock_one(embedded, "models:/iris/1")


def test_a_version_whose_bytes_are_gone(embedded: Embedded) -> None:
    source = embedded.client.get_model_version_download_uri("iris", "1")
    shutil.rmtree(unquote(urlsplit(source).path))
    with pytest.raises(RegistryError) as caught:
        lock_one(embedded, "models:/iris/1")
    (problem,) = caught.value.problems
    assert (problem.id, str(problem.location)) == ("SRV226", "models/iris.yaml:4")
    assert source in problem.message


def test_a_version_in_a_bucket_without_the_client_for_it(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["boto3", *(name for name in sys.modules if name.startswith("boto3."))]:
        monkeypatch.setitem(sys.modules, name, None)
    embedded.client.create_registered_model("far")
    embedded.client.create_model_version("far", "s3://bucket/far")
    with pytest.raises(RegistryError, match=r"SRV227 .*\n.*servestack\[s3\]"):
        lock_one(embedded, "models:/far/1")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"SRV222 .*no such database file"):
        lock_one(Embedded(tmp_path, ""), "models:/iris/1")
    assert list(tmp_path.iterdir()) == []
