"""Where MLflow is, and which registry its own client chooses; without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from servestack.errors import RegistryError
from servestack.resolve.mlflow_address import MlflowAddress, address_of, database_file, from_folder
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.spec.artifact_uri import parse_artifact_uri
from servestack.spec.environment import Mlflow


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///mlflow.db", "sqlite:////project/mlflow.db"),
        ("sqlite:///../mlflow.db", "sqlite:////mlflow.db"),
        ("sqlite:///data/mlflow.db?timeout=5", "sqlite:////project/data/mlflow.db?timeout=5"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("mlruns", "file:///project/mlruns"),
        ("./my runs", "file:///project/my%20runs"),
        ("file:mlruns", "file:///project/mlruns"),
        ("file:///srv/mlruns", "file:///srv/mlruns"),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("postgresql://mlflow@db/mlflow", "postgresql://mlflow@db/mlflow"),
        ("databricks", "databricks"),
        ("databricks://staging", "databricks://staging"),
        ("databricks-uc", "databricks-uc"),
        ("uc:http://localhost:8080", "uc:http://localhost:8080"),
    ],
)
def test_relative_paths_begin_at_the_project(uri: str, expected: str) -> None:
    assert from_folder(uri, Path("/project")) == expected
    given = Mlflow.model_validate({"trackingUri": "http://mlflow", "registryUri": uri})
    assert address_of(given, Path("/project")) == MlflowAddress("http://mlflow", expected)


def test_only_a_database_has_a_file() -> None:
    assert database_file("sqlite:////srv/a.db?timeout=5") == Path("/srv/a.db")
    for uri in ("sqlite:///:memory:", "http://mlflow:5000", "databricks"):
        assert database_file(uri) is None


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://workspace.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "not-a-token")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)


def connected(tracking_uri: str, registry_uri: str | None = None) -> tuple[MlflowRegistry, Any]:
    """The registry, and MLflow's own store behind it."""
    registry = MlflowRegistry(MlflowAddress(tracking_uri, registry_uri))
    return registry, registry._connected()._get_registry_client().store


@pytest.mark.parametrize(
    ("tracking", "registry", "store", "address"),
    [
        ("databricks", None, "UcModelRegistryStore", "databricks-uc"),
        ("databricks://team", None, "UcModelRegistryStore", "databricks-uc://team"),
        ("databricks", "databricks-uc", "UcModelRegistryStore", "databricks-uc"),
        ("databricks", "databricks", "DatabricksWorkspaceModelRegistryRestStore", "databricks"),
        ("http://mlflow", None, "RestStore", "http://mlflow"),
        ("http://mlflow", "uc:http://catalog", "UnityCatalogOssStore", "uc:http://catalog"),
    ],
)
def test_databricks(
    workspace: None, tracking: str, registry: str | None, store: str, address: str
) -> None:
    """Nobody forces the workspace registry: MLflow chooses, or `registryUri` says it."""
    made, found = connected(tracking, registry)
    assert store in {kind.__name__ for kind in type(found).__mro__}
    assert made._client._registry_uri == address


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("models:/iris@champion", "by its catalog, schema and name"),
        ("models:/main.growth.iris/Production", "write models:/main.growth.iris@production"),
    ],
)
def test_what_unity_catalog_cannot_have(workspace: None, uri: str, words: str) -> None:
    with pytest.raises(RegistryError, match="SRV233") as caught:
        MlflowRegistry(MlflowAddress("databricks")).find(parse_artifact_uri(uri))
    assert words in str(caught.value)


def test_unity_catalog_is_asked_for_the_version_itself(
    workspace: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its storage opens only to who asks for one version; the store's answers stand in here."""
    registry, store = connected("databricks")
    version = ModelVersion("main.growth.iris", "7", 0, run_id="r", status="READY")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(store, "get_model_version_by_alias", lambda name, alias: version)
    monkeypatch.setattr(store, "get_registered_model", RegisteredModel)
    location = "s3://bucket/models/7"
    monkeypatch.setattr(store, "get_model_version_download_uri", lambda name, number: location)

    def download(**given: Any) -> str:
        asked.append(given)
        return str(tmp_path)

    monkeypatch.setattr("mlflow.artifacts.download_artifacts", download)
    found = registry.find(parse_artifact_uri("models:/main.growth.iris@champion"))
    assert (found.version, found.source, found.is_archived) == ("7", location, False)
    registry.download(found, tmp_path)
    assert [(given["artifact_uri"], given["registry_uri"]) for given in asked] == [
        ("models:/main.growth.iris/7", "databricks-uc")
    ]
