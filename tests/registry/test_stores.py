"""What lock reads from a store is what a pod fetches from it, by the same program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_image.tests.fetch.stand_ins import Tree, serving_databricks, serving_webhdfs
from serving_image.tests.support.fetching import fetch_into

from servestack.errors import Location, RegistryError
from servestack.resolve import store_download
from servestack.resolve.artifact_store import ArtifactStore
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.locking import LockRequest, lock_artifacts
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.resolve.registry import Found, Registry
from servestack_contract.artifact import Pin
from tests.support.azurite import ACCOUNT, CONTAINER, Azurite, running_azurite

FILES = {"iris/MLmodel": b"flavors: {}", "iris/data/model.json": b"{}", "one/model.onnx": b"onnx"}


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        for name, body in FILES.items():
            server.put(name, body)
        yield server


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca))
    return f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net"


@pytest.fixture
def dbfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with serving_databricks(Tree({f"/models/{name}": FILES[name] for name in FILES})) as tree:
        monkeypatch.setenv("DATABRICKS_HOST", tree.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "t0ken")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "no-profile"))
        yield "dbfs:/models"


@pytest.fixture
def hdfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving_webhdfs(Tree({f"/models/{name}": FILES[name] for name in FILES})) as tree:
        monkeypatch.setenv("WEBHDFS_URL", tree.url)
        yield "hdfs://namenode:8020/models"


def locked(uri: str, root: Path, registry: Registry | None = None) -> LockedArtifact:
    request = LockRequest("iris", "iris", uri, Location(Path("models/iris.yaml"), 4, 1))
    report = lock_artifacts([request], Lock("prod"), lambda _: registry or ArtifactStore(root))
    return report.lock.models["iris"]["iris"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [("azure", "iris"), ("azure", "one/model.onnx"), ("dbfs", "iris"), ("hdfs", "one/model.onnx")],
)
def test_what_is_locked_is_fetched(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, path: str
) -> None:
    store = str(request.getfixturevalue(kind))
    artifact = locked(f"{store}/{path}", tmp_path)
    assert artifact.source == f"{store}/{path}"
    assert artifact.size_bytes == sum(
        len(body) for name, body in FILES.items() if name.startswith(path)
    )
    said = fetch_into(tmp_path / "models")(Pin("iris", artifact.source, artifact.sha256))
    assert said[-1].endswith("verified")


def test_a_registered_model_in_azure(azure: str, tmp_path: Path) -> None:
    """MLflow's own reader would need other variables than a pod's."""
    registry = MlflowRegistry(MlflowAddress(f"sqlite:///{tmp_path}/none.db"))
    path = registry.download(Found(f"{azure}/iris", "1"), tmp_path)
    assert (path / "MLmodel").read_bytes() == b"flavors: {}"


def test_what_is_not_there(hdfs: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        locked(f"{hdfs}/none", tmp_path)
    (problem,) = caught.value.problems
    assert problem.id == "SRV226"
    assert f"{hdfs}/none" in problem.message
    assert "is not there" in problem.message
    assert problem.hint


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(store_download._MODULES, "azure-storage-blob", "azure.of_another_world")
    with pytest.raises(RegistryError) as caught:
        locked("az://models/iris", tmp_path)
    (problem,) = caught.value.problems
    assert (problem.id, problem.hint) == ("SRV227", "pip install 'servestack[azure]'")


def test_a_program_that_dies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store_download, "_SERVER", "no_such_module")
    with pytest.raises(RegistryError, match=r"cannot be fetched: .*No module named no_such_module"):
        locked("hdfs://namenode/models/iris", tmp_path)
