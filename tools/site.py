"""Build the documentation site; `python -m tools.site FOLDER` finds dead links in a built one.

The generator's strict mode looks at links between pages. It does not see a page that the navigation
names and nobody wrote, one that the navigation forgets, or a link to a file outside docs/.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADING = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
"""Elements that a browser loads by themselves, and the attribute with the address."""


class _Page(HTMLParser):
    """The anchors of a page, where it links to, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        attribute = _LOADING.get(tag)
        if attribute in given:
            self.loaded.append(given[attribute])


def build(folder: Path) -> str:
    """Build the site of the zensical.toml in a folder, strictly; returns what the generator said.

    Raises CalledProcessError, with that text as `output`, if it finds a fault.
    """
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.stdout


def pages(site: Path) -> list[Path]:
    """The pages of a built site."""
    return sorted(site.rglob("*.html"))


def dead_links(site: Path) -> Iterator[str]:
    """One line for each link or loaded file that is not in the site, and each missing anchor."""
    root = site.resolve()
    for page in pages(root):
        if page.name == "404.html":  # Its links begin at the root of a server.
            continue
        found = _read(page)
        for address in (*found.links, *found.loaded):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            shown = f"{page.relative_to(root)}: {address}"
            if not target.is_relative_to(root) or not target.exists():
                yield f"{shown}: there is no such file in the site"
            elif parts.fragment and not _has_anchor(target, unquote(parts.fragment)):
                yield f"{shown}: there is no such heading"


def loaded_from_the_web(site: Path) -> Iterator[str]:
    """One line for each address that a page loads from somewhere else."""
    for page in pages(site):
        for address in _read(page).loaded:
            if urlsplit(address).netloc:
                yield f"{page.relative_to(site)}: {address}"


def _has_anchor(target: Path, anchor: str) -> bool:
    """Whether a page has an anchor; in files that are no pages they are not looked for."""
    return target.suffix != ".html" or anchor in _read(target).anchors


@cache
def _read(page: Path) -> _Page:
    parser = _Page()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def main(arguments: list[str]) -> int:
    """Print what is wrong with a built site; 1 if anything is."""
    (folder,) = arguments
    wrong = [*dead_links(Path(folder)), *loaded_from_the_web(Path(folder))]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
