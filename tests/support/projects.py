"""The projects that tests run over: this repository's own, and every example."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(
    stacks.parent for stacks in (REPOSITORY / "examples").glob("*/stacks") if stacks.is_dir()
)
PROJECTS = [REPOSITORY, *EXAMPLES]
