"""Finds broken links in Markdown files: `python tools/links.py [FILE…]`; without files in all.

It checks links within the repository, with their anchors. It does not check addresses of the web.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<!!)\[[^]\n]*\]\(([^)\s]+)\)|!\[[^]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    files = [Path(argument).resolve() for argument in arguments] or list(markdown_files())
    broken = [line for file in files for line in broken_links(file)]
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


def markdown_files() -> Iterator[Path]:
    """All Markdown files that git knows, except the skeleton of new projects."""
    command = ["git", "ls-files", "*.md"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        file = REPOSITORY / name
        if file.is_file() and "skeleton" not in file.parts:
            yield file


def broken_links(file: Path) -> Iterator[str]:
    """One line for each broken link, with file and line."""
    text = file.read_text(encoding="utf-8")
    # Blanks of the same length keep the line numbers.
    prose = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    for match in _LINK.finditer(prose):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (file.parent / path).resolve() if path else file
        where = f"{file.relative_to(REPOSITORY)}:{prose.count(chr(10), 0, match.start()) + 1}"
        if not found.exists():
            yield f"{where}: {target}: there is no such file"
        elif anchor and found.suffix == ".md" and anchor not in anchors_of(found):
            yield f"{where}: {target}: there is no such heading"


def anchors_of(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = _HEADING.findall(_CODE.sub("", file.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
