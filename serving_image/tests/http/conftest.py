"""A server with small limits, and one whose model takes its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_image.tests.api.owned_model import SLOW, own_iris
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

MAX_BODY_BYTES = 64 << 10
TIMEOUT_SECONDS = 1.0


@pytest.fixture(scope="session")
def small(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Bodies of 64 KiB, one second for a request."""
    limits = {"maxBodyBytes": MAX_BODY_BYTES, "timeoutSeconds": TIMEOUT_SECONDS, "maxQueue": 4096}
    config = iris.config(limits=limits, batching={})
    with running_server(config, tmp_path_factory.mktemp("small")) as server:
        yield server


@pytest.fixture(scope="session")
def slow(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Rows that begin with more than 90 take a second for ten above it."""
    folder = tmp_path_factory.mktemp("slow")
    config = own_iris(iris, folder, SLOW)
    with running_server(config | {"batching": {}}, folder) as server:
        yield server


@pytest.fixture
def row(iris: Iris) -> list[float]:
    """A row of the first class."""
    return iris.rows[0]
