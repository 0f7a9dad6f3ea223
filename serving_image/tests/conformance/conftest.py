"""One server with iris for all tests of the folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server


@pytest.fixture(scope="session")
def server(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of version 4 of it."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(iris.config(), folder, versions={"iris": "4"}) as running:
        yield running
