from pathlib import Path

import pytest

from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """iris in staging and prod, version 1 in both, committed."""
    return Repository.of_project(tmp_path / "project")
