from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.in_process import Done, servestack
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """iris in staging and prod, version 1 in both, committed."""
    return Repository.of_project(tmp_path / "project")


@pytest.fixture
def run(repository: Repository) -> Callable[..., Done]:
    """Run servestack in the project."""

    def call(*arguments: str | Path) -> Done:
        return servestack(*arguments, folder=repository.root)

    return call
