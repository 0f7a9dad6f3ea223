"""A project with a trained model, made once; each page gets a copy of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import running
from tests.support.mlflow_server import UNUSED, register_iris, where_mlflow_asks

COMMITTER = {
    f"GIT_{role}_{name}": value
    for role in ("AUTHOR", "COMMITTER")
    for name, value in (("NAME", "docs"), ("EMAIL", "docs@example.com"))
}

REGISTRY = "sqlite:///mlflow.db"
"""As the pages and the skeleton have it."""

Copy = Callable[[str], Path]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `servestack init` makes, with iris registered twice: `production` is version 1.

    Two commits: tag `first` serves version 1, tag `moved` version 2.
    """
    from mlflow import MlflowClient

    root = tmp_path_factory.mktemp("docs") / "project"
    root.mkdir()
    uri = f"sqlite:///{root}/mlflow.db"
    before = Path.cwd()
    assert not where_mlflow_asks()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in UNUSED.items():
            patch.setenv(name, value)
        # A file of SQLite has its artifacts in mlruns/ of the folder that one works in.
        os.chdir(root)
        try:
            running.run("servestack init", root, COMMITTER)
            for regularization in (1000, 1):
                register_iris(uri, regularization=regularization)
            client = MlflowClient(uri)
            for version, tag in (("1", "first"), ("2", "moved")):
                client.set_registered_model_alias("iris", "production", version)
                running.run("servestack lock dev\nservestack render dev", root, COMMITTER)
                commit = (
                    f"git add -A && git commit -q -m 'iris: version {version}' && git tag {tag}"
                )
                running.run(commit, root, COMMITTER)
            client.set_registered_model_alias("iris", "production", "1")
        finally:
            os.chdir(before)
    return root


@pytest.fixture
def copied(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """Copies the project, as of a tag, and makes the copy the current folder."""

    def copy(tag: str) -> Path:
        root = tmp_path / "project"
        shutil.copytree(trained, root)
        # MLflow keeps an open file of SQLite by its address: that of another copy, if it is relative.
        running.run(
            f"git reset -q --hard {tag}\n"
            f"sed -i 's|{REGISTRY}|sqlite:///{root}/mlflow.db|' stacks/dev.yaml\n"
            "git commit -q --amend --no-edit -- stacks/dev.yaml",
            root, COMMITTER,
        )  # fmt: skip
        monkeypatch.chdir(root)
        for name, value in UNUSED.items():
            monkeypatch.setenv(name, value)
        return root

    return copy
