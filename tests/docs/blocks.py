"""The fenced code blocks of the README and of docs/."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.projects import REPOSITORY

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>.*)\n(?P<text>(?:.*\n)*?)(?P=indent)(?P=fence) *$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One block. `page` is its file, relative to the repository; `line` is that of its fence."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first_line(self) -> str:
        """The first line that is not empty."""
        return next((line for line in self.text.splitlines() if line.strip()), "")


def pages() -> list[Path]:
    """README.md and all pages below docs/."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks_of(page: Path, name: str) -> Iterator[Block]:
    """The blocks of a page in their order, also those within lists."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(name, line, match["language"].strip(), textwrap.dedent(match["text"]))


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [
        block
        for page in pages()
        for block in blocks_of(page, page.relative_to(REPOSITORY).as_posix())
    ]
