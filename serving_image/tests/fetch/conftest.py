"""Servers to fetch from, and a fetch whose words can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch, fetch_into

from .certificates import write_certificate
from .range_server import Answers, serving


@pytest.fixture
def run(tmp_path: Path) -> Fetch:
    """Fetch pins into `<tmp_path>/models`, without long waits; returns what was said."""
    return fetch_into(tmp_path / "models")


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
