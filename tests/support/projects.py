"""The projects that tests run over: this repository's own, and every example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(
    stacks.parent for stacks in (REPOSITORY / "examples").glob("*/stacks") if stacks.is_dir()
)
PROJECTS = [REPOSITORY, *EXAMPLES]


def set_in_yaml(file: Path, **values: Any) -> None:
    """Sets top-level keys of a YAML file, without its comments, whatever stands there now: a text
    that is replaced only where it is found leaves the file as it was in silence."""
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values, sort_keys=False))
