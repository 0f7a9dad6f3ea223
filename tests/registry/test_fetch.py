"""What the server fetches of a registered model, without MLflow's client, is what was locked."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch, fetch_into

from servestack.resolve.digest import digest_of as locked_digest
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.spec.artifact_uri import parse_artifact_uri
from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from tests.support.mlflow_server import MlflowServer


@pytest.fixture
def run(tmp_path: Path) -> Fetch:
    """Fetch pins into `<tmp_path>/models`; returns what was said."""
    return fetch_into(tmp_path / "models")


@pytest.fixture
def pin(mlflow_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """Iris as the lock file pins it: found and digested by servestack."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    registry = MlflowRegistry(MlflowAddress(mlflow_server.uri))
    found = registry.find(parse_artifact_uri("models:/iris/1"))
    (tmp_path / "lock").mkdir()
    digest = locked_digest(registry.download(found, tmp_path / "lock"))
    return Pin("iris", found.source, digest.sha256)


def test_a_registered_model_is_what_the_lock_has_seen(pin: Pin, run: Fetch, tmp_path: Path) -> None:
    assert pin.value.startswith("mlflow-artifacts:/")
    assert run(pin)[-1].endswith("verified")
    assert (tmp_path / "models/iris/MLmodel").is_file()
    assert (tmp_path / "models/iris/model.skops").is_file()
    assert len(run(pin)) == 1


def test_one_file_of_a_model(pin: Pin, run: Fetch, tmp_path: Path) -> None:
    run(Pin("bare", f"{pin.value}/model.skops"))
    files = [file.name for file in (tmp_path / "models/bare").iterdir()]
    assert files == ["model.skops"]


def test_an_artifact_that_is_not_there(pin: Pin, run: Fetch) -> None:
    with pytest.raises(StartError, match="nothing-of-this-name: is not there: answered 404"):
        run(Pin("iris", f"{pin.value}/nothing-of-this-name", pin.sha256))


def test_mlflow_sends_ranges(pin: Pin, mlflow_server: MlflowServer) -> None:
    """Else a download of a large model would begin anew after each break."""
    from servestack_server.fetch.sources.mlflow import MlflowSource

    source = MlflowSource(f"{pin.value}/model.skops", mlflow_server.uri)
    (remote,) = source.list_files().files
    with source.open(remote, 0, "") as whole:
        body = b"".join(whole.chunks)
    with source.open(remote, 100, whole.validator) as rest:
        assert rest.start == 100
        assert b"".join(rest.chunks) == body[100:]
    assert rest.size_bytes == whole.size_bytes == len(body)


def test_without_a_server_it_says_which_variable(
    pin: Pin, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(StartError, match="MLFLOW_TRACKING_URI is not set"):
        run(pin)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:hunter2@db/mlflow")
    with pytest.raises(StartError, match="MLFLOW_TRACKING_URI is postgresql://db/mlflow"):
        run(pin)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1")
    with pytest.raises(StartError, match="MLFLOW_TRACKING_URI is not an address"):
        run(pin)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(StartError, match="the connection is refused") as error:
        run(pin)
    assert "check that the server runs" in error.value.hint
