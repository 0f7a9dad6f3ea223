"""The package as it is published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.projects import REPOSITORY


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into a folder; returns its path."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel
