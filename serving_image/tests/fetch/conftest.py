"""Servers to fetch from, and a fetch whose words can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.mlflow_server import MlflowServer, register_iris, running_mlflow

from servestack_contract.artifact import Pin
from servestack_server.fetch.fetch import fetch
from servestack_server.fetch.patience import Patience

from .certificates import write_certificate
from .range_server import Answers, serving

Fetch = Callable[..., list[str]]
QUICK = Patience(tries=4, first_wait_seconds=0.01, longest_asked_seconds=0.3)


@pytest.fixture
def run(tmp_path: Path) -> Fetch:
    """Fetch pins into `<tmp_path>/models`, without long waits; returns what was said."""

    def fetch_quickly(*pins: Pin) -> list[str]:
        said: list[str] = []
        fetch(pins, tmp_path / "models", say=said.append, patience=QUICK)
        return said

    return fetch_quickly


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PEM of localhost's certificate and key."""
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    write_certificate(file)
    return file


@pytest.fixture
def https(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """A server with a certificate that this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as answers:
        yield answers


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server with version 1 of iris."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        register_iris(server.uri)
        yield server
