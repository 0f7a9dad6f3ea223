"""What every test on the engine needs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pulumi_environment: dict[str, str]
) -> Path:
    """A backend of its own for each test, in a folder."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{folder}")
    return folder
