"""Artifacts from servers that answer as MLflow does; tests/registry asks a real one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError

from .range_server import serving


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
