"""The documentation site: built strictly, complete, without dead links, searchable offline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tools import site

from servestack_contract import __version__
from tests.support.browser import browsing
from tests.support.projects import REPOSITORY

CONFIGURATION = "zensical.toml"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the site's source: the generator keeps its files beside its configuration."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(REPOSITORY / "docs", folder / "docs")
    shutil.copy(REPOSITORY / CONFIGURATION, folder)
    return folder


@pytest.fixture(scope="module")
def built(source: Path) -> Path:
    site.build(source)
    return source / "site"


def test_no_link_is_dead(built: Path) -> None:
    assert list(site.dead_links(built)) == []


def test_nothing_is_loaded_from_the_web(built: Path) -> None:
    assert list(site.loaded_from_the_web(built)) == []


def test_the_navigation_has_every_page() -> None:
    nav = tomllib.loads((REPOSITORY / CONFIGURATION).read_text(encoding="utf-8"))["project"]["nav"]
    named = list(_pages_of(nav))
    there = {
        p.relative_to(REPOSITORY / "docs").as_posix() for p in (REPOSITORY / "docs").rglob("*.md")
    }
    assert sorted(named) == sorted(there)


def _pages_of(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
        return
    for part in entry.values() if isinstance(entry, dict) else entry:
        yield from _pages_of(part)


@pytest.mark.parametrize(
    ("word", "page"),
    [("batching", "serving.html"), ("롤백", "ko/index.html"), ("모델", "ko/index.html")],
)
def test_the_search_knows_words_of_both_languages(built: Path, word: str, page: str) -> None:
    script = (built / "search.js").read_text(encoding="utf-8")
    index = json.loads(script.removeprefix("var __index = ").rstrip().removesuffix(";"))
    found = {
        item["location"].partition("#")[0]
        for item in index["items"]
        if word in f"{item['title']} {item['text']}".lower()
    }
    assert page in found


def test_the_search_runs_from_files(built: Path) -> None:
    """Browsers start no worker from file://: the shim of iframe-worker stands in for it."""
    with browsing() as browser:
        page = browser.new_page()
        page.goto((built / "index.html").as_uri())
        page.locator(".md-search__button").click()
        page.keyboard.insert_text("ModelServiceEventsUnshipped")  # at once: each letter is a search
        expect(page.get_by_text(re.compile(r"^\d+ results?$"))).to_be_visible(timeout=20_000)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{built.as_uri()}/operations/alerts.html*")


def test_both_start_pages_lead_to_each_other(built: Path) -> None:
    assert 'href="ko/index.html"' in (built / "index.html").read_text(encoding="utf-8")
    assert 'href="../index.html"' in (built / "ko/index.html").read_text(encoding="utf-8")


def test_a_dead_link_fails_the_build(source: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Home\n\n[gone](gone.md)\n")
    (tmp_path / CONFIGURATION).write_text('[project]\nsite_name = "x"\nnav = ["index.md"]\n')
    with pytest.raises(subprocess.CalledProcessError) as failed:
        site.build(tmp_path)
    assert "page does not exist" in failed.value.output


def test_a_dead_link_in_a_built_site_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="a">A</h1><a href="b.html#b">b</a><a href="b.html#c">c</a><a href="../x">x</a>'
        '<a href="https://example.com">web</a><script src="https://example.com/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<h1 id="b">B</h1>')
    assert list(site.dead_links(tmp_path)) == [
        "a.html: b.html#c: there is no such heading",
        "a.html: ../x: there is no such file in the site",
    ]
    assert list(site.loaded_from_the_web(tmp_path)) == ["a.html: https://example.com/x.js"]


def test_images_are_of_this_version() -> None:
    """What people copy from the how-to guides; tests/unit/test_version.py has the other places."""
    for page in sorted((REPOSITORY / "docs/how-to").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        assert text.count("servestack/serving:") == text.count(f"servestack/serving:{__version__}")
        tags = [line for line in text.splitlines() if "/serving, tag: " in line]
        assert [line for line in tags if f"/serving, tag: {__version__}" not in line] == []
