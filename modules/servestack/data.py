"""Finds the templates of logging/ and monitoring/, in a checkout or inside the wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def read_template(path: str) -> str:
    """Return the text of a template such as `logging/filebeat.yml.j2`. Each is read once."""
    return template_path(path).read_text(encoding="utf-8")


def template_path(path: str) -> Path:
    """Return the path of a template: in the wheel's data, or else in the checkout."""
    bundled = _PACKAGE / "_data" / path
    return bundled if bundled.exists() else _PACKAGE.parent.parent / path
