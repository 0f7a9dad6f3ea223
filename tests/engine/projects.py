"""A project on the tests' API server, driven by the command line as its owner does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulumi import automation

from servestack.project import build_environment
from tests.engine.small_stacks import counts
from tests.support.apiserver import CONTEXT, ApiServer


@contextmanager
def on_apiserver(project: Path, apiserver: ApiServer) -> Iterator[Path]:
    """The project's prod environment, pointed at the test cluster and gone from it afterwards."""
    edit(
        project / "stacks/prod.yaml",
        "cluster: {context: prod}",
        f"cluster: {{context: {CONTEXT}, kubeconfig: {apiserver.kubeconfig}}}",
    )
    manifests = build_environment(project, "prod").manifests
    yield project
    for manifest in reversed(manifests):
        apiserver.client.delete(manifest.body)


def edit(file: Path, old: str, new: str) -> None:
    """Replace text that has to be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def servestack(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line, as a user runs it."""
    return subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def command(*arguments: str) -> list[str]:
    """What a user types."""
    return [str(Path(sys.executable).with_name("servestack")), *arguments]


def refresh(project: Path) -> dict[str, int]:
    """`pulumi refresh` of prod, by Pulumi's own API. Counts of what differed: {"update": 1}."""
    stack = automation.Stack.select("prod", automation.LocalWorkspace(str(project)))
    return counts(stack.refresh(color="never"))
