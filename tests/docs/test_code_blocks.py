"""Every code block runs, is validated, or is output; what cannot run here is listed with a reason."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from servestack_contract.metrics import CATALOGUE, LABELS
from tests.docs import running, yaml_blocks
from tests.docs.blocks import Block, all_blocks, blocks_of
from tests.docs.conftest import COMMITTER, REGISTRY, Copy
from tests.docs.elsewhere import NOT_HERE, OTHER_TESTS, STARTS_AT
from tests.support.projects import REPOSITORY

READ = ("console", "text", "http", "dockerfile")
"""Languages of output, and of what is only to be read."""
KNOWN = (*READ, "sh", "python", "yaml", "json", "promql")

BLOCKS = all_blocks()
_LISTED = {(page, line) for _, listed in NOT_HERE for page, line in listed}


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def runs_here(block: Block) -> bool:
    return block.page not in OTHER_TESTS and (block.page, block.first_line) not in _LISTED


def executed_pages() -> list[str]:
    return list(dict.fromkeys(block.page for block in of("sh") if runs_here(block)))


def test_every_block_says_its_language() -> None:
    assert [block.where for block in BLOCKS if block.language not in KNOWN] == []


@pytest.mark.parametrize("page", executed_pages())
def test_the_blocks_of_a_page_run_in_their_order(page: str, copied: Copy) -> None:
    project = copied(STARTS_AT.get(page, "first"))
    for block in of("sh", "python"):
        if block.page != page or not runs_here(block):
            continue
        if block.language == "sh":
            running.run(block.text, project, COMMITTER)
        else:
            # The page says to put in one's own server.
            exec(block.text.replace(REGISTRY, f"sqlite:///{project}/mlflow.db"), {})


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.where)
def test_python_of_other_pages_runs(block: Block) -> None:
    if block.page not in executed_pages():
        exec(block.text, {})


def test_what_does_not_run_here_is_there() -> None:
    """An entry whose block is gone, or that runs by now, has to leave the table."""
    there = {(block.page, block.first_line) for block in of("sh")}
    assert sorted(_LISTED - there) == []
    assert len(_LISTED) == sum(len(listed) for _, listed in NOT_HERE)
    for page, test in OTHER_TESTS.items():
        assert f'"{page}"' in (REPOSITORY / test).read_text(encoding="utf-8")
    assert set(STARTS_AT) <= set(executed_pages())


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.where)
def test_yaml_is_valid(block: Block, tmp_path: Path) -> None:
    yaml_blocks.check(block.text, tmp_path)


def test_json_is_json() -> None:
    for block in of("json"):
        json.loads(block.text)


@pytest.mark.parametrize("block", of("promql"), ids=lambda block: block.where)
def test_a_query_names_what_the_server_exports(block: Block) -> None:
    labels = {label for metric in CATALOGUE for label in metric.labels} | set(LABELS)
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    exported = {
        metric.name + suffix for metric in CATALOGUE for suffix in suffixes.get(metric.type, ("",))
    }
    assert set(re.findall(r"\bservestack_\w+", block.text)) <= exported
    of_prometheus = {"instance", "le", "namespace", "pod"}
    groupings = re.findall(r"\bby \(([^)]*)\)", block.text)
    used = {name for group in groupings for name in re.split(r", *", group)}
    used |= set(re.findall(r"(\w+)=~?\"", block.text))
    assert used <= labels | of_prometheus


def test_blocks_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n\n```sh\none\n```\n\n1. b\n\n    ```yaml\n    a:\n      b: 1\n    ```\n\n```\nc\n```\n"
    )
    found = [(block.line, block.language, block.text) for block in blocks_of(page, "page.md")]
    assert found == [(3, "sh", "one\n"), (9, "yaml", "a:\n  b: 1\n"), (14, "", "c\n")]


def test_a_command_that_fails_is_noticed(copied: Copy) -> None:
    project = copied("first")
    with pytest.raises(AssertionError, match="SRV206"):
        running.run("servestack check nowhere", project, COMMITTER)
    with pytest.raises(AssertionError, match="no such folder"):
        running.run("echo no such folder >&2; false", project, COMMITTER)
