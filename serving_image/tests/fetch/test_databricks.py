"""Artifacts in DBFS and volumes, as a stand-in for a workspace answers; it has not met a real one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.fetch.sources.databricks import DatabricksSource

from .stand_ins import Tree, serving_databricks
from .test_digest import write

MODEL = random.Random(6).randbytes((2 << 20) + 7)
TREE = {"MLmodel": b"flavors: {}", "data": {"model.json": MODEL, "sm all": b"1", "none": b""}}
ROOTS = ["/models", "/Volumes/growth/ml/models"]


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tree]:
    files: dict[str, bytes] = {}
    for root in ROOTS:
        files |= {
            f"{root}/iris/MLmodel": b"flavors: {}", f"{root}/iris/data/model.json": MODEL,
            f"{root}/iris/data/sm all": b"1", f"{root}/iris/data/none": b"",
            f"{root}/bare/model.onnx": MODEL,
        }  # fmt: skip
    folders = {f"{root}/empty" for root in ROOTS}
    with serving_databricks(Tree(files, folders, allowed=("Bearer t0ken",))) as tree:
        monkeypatch.setenv("DATABRICKS_HOST", tree.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "t0ken")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "no-profile"))
        yield tree


@pytest.mark.parametrize("root", ROOTS)
def test_a_folder(workspace: Tree, run: Fetch, tmp_path: Path, root: str) -> None:
    write(TREE, tmp_path / "model")
    digest = digest_of(tmp_path / "model")
    assert run(Pin("iris", f"dbfs:{root}/iris", digest))[-1].endswith("verified")
    assert digest_of(tmp_path / "models/iris") == digest
    assert len(run(Pin("iris", f"dbfs:{root}/iris/", digest))) == 1


@pytest.mark.parametrize("root", ROOTS)
def test_it_goes_on_at_a_byte(workspace: Tree, root: str) -> None:
    source = DatabricksSource(f"dbfs:{root}/bare/model.onnx")
    (remote,) = source.list_files().files
    with source.open(remote, 0, "") as whole:
        assert b"".join(whole.chunks) == MODEL
    with source.open(remote, 1000, whole.validator) as rest:
        assert (rest.start, b"".join(rest.chunks)) == (1000, MODEL[1000:])
    with source.open(remote, 1000, "of another") as again:
        assert again.start == 0


def test_a_volume_without_ranges(workspace: Tree) -> None:
    workspace.ranges = False
    source = DatabricksSource(f"dbfs:{ROOTS[1]}/bare/model.onnx")
    (remote,) = source.list_files().files
    with source.open(remote, 0, "") as whole:
        list(whole.chunks)
    with source.open(remote, 1000, whole.validator) as again:
        assert (again.start, b"".join(again.chunks)) == (0, MODEL)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(("path", "words"), [("none", "is not there"), ("empty", "holds no files")])
def test_what_is_not_there(workspace: Tree, run: Fetch, root: str, path: str, words: str) -> None:
    with pytest.raises(StartError, match=words):
        run(Pin("m", f"dbfs:{root}/{path}"))


@pytest.mark.parametrize("root", ROOTS)
def test_a_wrong_token(
    workspace: Tree, run: Fetch, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "hunter2")
    with pytest.raises(StartError, match="access is refused: ") as error:
        run(Pin("m", f"dbfs:{root}/iris"))
    assert "hunter2" not in str(error.value)
    assert "Config:" not in error.value.message
    assert "DATABRICKS_HOST" in error.value.hint


def test_no_workspace(workspace: Tree, run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(StartError, match="no access:") as error:
        run(Pin("m", "dbfs:/models/iris"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("root", ROOTS)
def test_faults_pass(workspace: Tree, run: Fetch, root: str) -> None:
    workspace.faults = [503, 429, 500]
    said = run(Pin("m", f"dbfs:{root}/bare/model.onnx"))
    assert sum("trying again" in line for line in said) == 3


def test_nobody_there(workspace: Tree, run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:1")
    with pytest.raises(StartError, match="the connection is refused, 4 times in a row"):
        run(Pin("m", "dbfs:/models/iris"))
