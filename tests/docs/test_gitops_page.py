"""The page about GitOps: its objects are those that the command prints, its workflow works.

What the workflow asks GitHub's API for is not run here: actionlint reads it, and bash parses it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.blocks import Block, blocks_of
from tests.docs.conftest import Copy
from tests.support.in_process import servestack
from tests.support.projects import REPOSITORY, set_in_yaml
from tests.support.repository import Repository
from tests.support.tools import installed

PAGE = "docs/how-to/gitops.md"
BLOCKS = [block for block in blocks_of(REPOSITORY / PAGE, PAGE) if block.language == "yaml"]
OBJECTS = [block for block in BLOCKS if block.text.startswith("# Generated; ")]
(WORKFLOW,) = (block for block in BLOCKS if re.search(r"^jobs:$", block.text, re.MULTILINE))
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_ON_GITHUB = {
    "matrix.environment": "prod",
    "github.base_ref": "main",
    "github.token": "none",
    "github.repository": "growth/models",
    "github.event.pull_request.number": "7",
}


@pytest.mark.parametrize("block", OBJECTS, ids=lambda block: block.where)
def test_the_objects_are_those_that_the_command_prints(block: Block, copied: Copy) -> None:
    command = block.first_line.partition(": servestack ")[2].split()
    done = servestack(*command, folder=copied("first"))
    assert done.stdout == block.text


def test_the_page_shows_both_controllers() -> None:
    kinds = [re.findall(r"^kind: (\w+)$", block.text, re.MULTILINE) for block in OBJECTS]
    assert kinds == [["Application"], ["GitRepository", "Kustomization"]]


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    def findings(text: str) -> str:
        file = tmp_path / "review.yml"
        file.write_text(text)
        command = [
            str(installed("actionlint")),
            "-no-color",
            "-shellcheck=",
            "-pyflakes=",
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert findings(WORKFLOW.text) == ""
    assert "steps.dif" in findings(WORKFLOW.text.replace("steps.diff.", "steps.dif.", 1))


def test_every_script_is_bash() -> None:
    for job in yaml.load(WORKFLOW.text, yaml.BaseLoader)["jobs"].values():
        for step in job["steps"]:
            if "run" in step:
                subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


class PullRequest:
    """A branch in a clean clone. `run` runs those steps of the workflow that are servestack's."""

    def __init__(self, origin: Repository, folder: Path) -> None:
        self.root, self.temporary = folder / "clone", folder / "runner"
        self.temporary.mkdir()
        origin.git("clone", "-q", str(origin.root), str(self.root))
        self.git = Repository(self.root, origin.clock)
        self.git.git("switch", "-q", "-c", "change")

    def commit(self, *, rendered: bool = True, **fields: Any) -> None:
        """Change the model, and commit it."""
        set_in_yaml(self.root / "models/iris.yaml", **fields)
        if rendered:
            servestack("render", folder=self.root)
        self.git.commit("change")

    def run(self, *names: str) -> dict[str, int]:
        """The exit code of each step by its name, or of those with one of these names."""
        job = yaml.load(WORKFLOW.text, yaml.BaseLoader)["jobs"]["review"]
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {name: _value(text) for name, text in job["env"].items()}
        codes = {}
        for step in job["steps"]:
            if names and step.get("name") not in names:
                continue
            if re.search(r"^\s*servestack ", step.get("run", ""), re.MULTILINE):
                codes[step["name"]] = subprocess.run(
                    ["bash", "-e", "-c", _value(step["run"])], cwd=self.root, check=False,
                    env=os.environ | variables | {"PATH": programs, "RUNNER_TEMP": str(self.temporary)},
                    capture_output=True,
                ).returncode  # fmt: skip
        return codes

    @property
    def comment(self) -> str:
        return (self.temporary / "review.md").read_text(encoding="utf-8")


def _value(text: str) -> str:
    return _EXPRESSION.sub(lambda match: _ON_GITHUB[match[1]], text)


@pytest.fixture
def pull_request(tmp_path: Path) -> PullRequest:
    origin = Repository.of_project(tmp_path / "origin")
    keys = {"auth": {"apiKeys": {"secret": "iris-api-keys"}}}
    set_in_yaml(origin.root / "models/iris.yaml", api=keys)
    servestack("render", folder=origin.root)
    origin.commit("rendered")
    return PullRequest(origin, tmp_path)


CHECK, FRESH, DIFF, SECURITY = (
    "Check specs and objects",
    "Rendered files are up to date",
    "Say what changes",
    "What concerns security is reviewed",
)


def test_the_workflow_passes_what_concerns_no_security(pull_request: PullRequest) -> None:
    pull_request.commit(autoscaling={"min": 2, "max": 7})
    assert pull_request.run() == {CHECK: 0, FRESH: 0, DIFF: 0, SECURITY: 0}
    assert pull_request.comment.startswith("<!-- servestack prod -->\n### prod: ")
    assert "CAUTION" not in pull_request.comment


def test_the_workflow_fails_for_security_and_for_stale_files(pull_request: PullRequest) -> None:
    pull_request.commit(api={}, rendered=False)
    assert pull_request.run() == {CHECK: 0, FRESH: 1, DIFF: 0, SECURITY: 3}
    assert "> [!CAUTION]" in pull_request.comment


def test_there_is_no_comment_for_a_mistake(pull_request: PullRequest) -> None:
    pull_request.commit(autoscaling={"min": 7, "max": 2}, rendered=False)
    assert pull_request.run(DIFF) == {DIFF: 1}
