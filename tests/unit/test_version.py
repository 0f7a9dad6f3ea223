"""The version stands in one place; what people copy names the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servestack_contract import __version__
from tests.support.projects import REPOSITORY

_TAG = re.compile(r"servestack/serving(?::|, tag: |\n +tag: )([\w.-]+)")
NAMING = [
    file
    for pattern in ("docs/*.md", "stacks/*.yaml", "examples/*/stacks/*.yaml", "modules/**/*.yaml")
    for file in sorted(REPOSITORY.glob(pattern))
    if _TAG.search(file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("file", NAMING, ids=lambda file: file.relative_to(REPOSITORY).as_posix())
def test_images_are_of_this_version(file: Path) -> None:
    assert set(_TAG.findall(file.read_text(encoding="utf-8"))) == {__version__}


def test_there_are_such_files() -> None:
    assert len(NAMING) > 6
