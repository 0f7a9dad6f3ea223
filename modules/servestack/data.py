"""Where the templates are: logging/ and monitoring/, in a checkout or inside the wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def read_template(path: str) -> str:
    """Text of a template such as `logging/filebeat.yml.j2`, read once."""
    return template_path(path).read_text(encoding="utf-8")


def template_path(path: str) -> Path:
    """The file of a template, from the wheel's data or from the checkout's top level."""
    bundled = _PACKAGE / "_data" / path
    return bundled if bundled.exists() else _PACKAGE.parent.parent / path
