"""Artifacts from a real MLflow server, without MLflow's client."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.support.mlflow_server import MlflowServer

from servestack.resolve.digest import digest_of as locked_digest
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.spec.artifact_uri import parse_artifact_uri
from servestack_contract.artifact import Pin
from servestack_server.errors import StartError

from .conftest import Fetch
from .range_server import serving


@pytest.fixture
def pin(mlflow_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """Iris as the lock file pins it: found and digested by servestack."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    registry = MlflowRegistry(mlflow_server.uri)
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


def test_another_server_behind_the_address(run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as other:
        other.files["/api/2.0/mlflow-artifacts/artifacts"] = b"<html>Welcome</html>"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", other.url)
        with pytest.raises(StartError, match="not that of an MLflow server"):
            run(Pin("iris", "mlflow-artifacts:/1/model", "0" * 64))


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"TOKEN": "t\n"}, "Bearer t"),
        (
            {"USERNAME": "jürgen", "PASSWORD": "p:w", "TOKEN": "t"},
            "Basic " + base64.b64encode("jürgen:p:w".encode()).decode(),
        ),
    ],
)
def test_credentials_go_to_the_server_and_not_to_where_it_redirects(
    run: Fetch, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    service = "/api/2.0/mlflow-artifacts/artifacts"
    with serving() as server, serving() as store:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{server.url}/")
        server.files[service] = b'{"files": []}'
        server.redirects[f"{service}/1/model.onnx"] = f"{store.url}/signed?key=1"
        store.files["/signed"] = b"model"
        run(Pin("iris", "mlflow-artifacts:/1/model.onnx"))
        assert [headers["authorization"] for _, headers in server.requests] == [header] * 2
        assert ["authorization" in headers for _, headers in store.requests] == [False]
        store.files |= {service: b'{"files": []}', f"{service}/1/model.onnx": b"model"}
        host = store.url.partition("://")[2]
        run(Pin("other", f"mlflow-artifacts://{host}/1/model.onnx"))
        assert not any("authorization" in headers for _, headers in store.requests)


def test_a_token_that_no_header_can_hold_is_not_shown(
    run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2\nX-Other: 1")
    with pytest.raises(StartError, match="an HTTP header cannot hold") as error:
        run(Pin("iris", "mlflow-artifacts:/1/model"))
    assert "hunter" not in str(error.value)


def test_a_certificate_of_its_own(
    certificate: Path, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = "/api/2.0/mlflow-artifacts/artifacts"
    with serving(certificate) as server:
        server.files |= {service: b'{"files": []}', f"{service}/1/model.onnx": b"model"}
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(StartError, match="certificate is not trusted"):
            run(Pin("iris", "mlflow-artifacts:/1/model.onnx"))
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        run(Pin("iris", "mlflow-artifacts:/1/model.onnx"))


def test_through_a_proxy(run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    service = "http://mlflow.invalid/api/2.0/mlflow-artifacts/artifacts"
    with serving() as proxy:
        proxy.files |= {service: b'{"files": []}', f"{service}/1/model.onnx": b"model"}
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.invalid")
        run(Pin("iris", "mlflow-artifacts:/1/model.onnx"))


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\\\\b", "C:x", "a/b/../c", "a\\u0000b", "", "a\\nb"],
)
def test_names_that_lead_elsewhere_are_refused(
    run: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with serving() as server:
        listing = f'{{"files": [{{"path": "ok"}}, {{"path": "{name}"}}]}}'
        server.files["/api/2.0/mlflow-artifacts/artifacts"] = listing.encode()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(StartError, match="use relative paths in an artifact"):
            run(Pin("iris", "mlflow-artifacts:/1/model"))
    assert not (tmp_path / "models/iris").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
