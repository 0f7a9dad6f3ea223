"""Artifacts in HDFS, as a stand-in for a namenode answers; it has not met the real one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.fetch.sources.webhdfs import webhdfs_source

from .stand_ins import Tree, serving_webhdfs
from .test_digest import write

MODEL = random.Random(5).randbytes(1 << 20)
TREE = {"MLmodel": b"flavors: {}", "data": {"model.json": MODEL, "sm all": b"1", "none": b""}}


@pytest.fixture
def hdfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    files = {
        "/models/iris/MLmodel": b"flavors: {}", "/models/iris/data/model.json": MODEL,
        "/models/iris/data/sm all": b"1", "/models/iris/data/none": b"",
        "/models/bare/model.onnx": MODEL,
    }  # fmt: skip
    with serving_webhdfs(Tree(files, folders={"/models/empty"})) as tree:
        monkeypatch.setenv("WEBHDFS_URL", tree.url)
        yield tree


@pytest.mark.parametrize("form", ["hdfs://namenode:8020/{}", "hdfs:///{}", "webhdfs://{host}/{}"])
def test_a_folder(hdfs: Tree, run: Fetch, tmp_path: Path, form: str) -> None:
    write(TREE, tmp_path / "model")
    digest = digest_of(tmp_path / "model")
    address = form.format("models/iris", host=hdfs.url.partition("://")[2])
    assert run(Pin("iris", address, digest))[-1].endswith("verified")
    assert digest_of(tmp_path / "models/iris") == digest
    assert len(run(Pin("iris", address, digest))) == 1


def test_it_goes_on_at_a_byte(hdfs: Tree) -> None:
    source = webhdfs_source("hdfs://namenode/models/bare/model.onnx")
    (remote,) = source.list_files().files
    with source.open(remote, 0, "") as whole:
        assert b"".join(whole.chunks) == MODEL
    with source.open(remote, 1000, whole.validator) as rest:
        assert (rest.start, b"".join(rest.chunks)) == (1000, MODEL[1000:])
    hdfs.modified += 1
    later = webhdfs_source("hdfs://namenode/models/bare/model.onnx")
    later.list_files()
    with later.open(remote, 1000, whole.validator) as again:
        assert again.start == 0


@pytest.mark.parametrize(
    ("path", "words"), [("none", "is not there: answered 404"), ("empty", "holds no files")]
)
def test_what_is_not_there(hdfs: Tree, run: Fetch, path: str, words: str) -> None:
    with pytest.raises(StartError, match=words):
        run(Pin("m", f"hdfs://namenode/models/{path}"))


def test_a_link_is_refused(hdfs: Tree, run: Fetch) -> None:
    hdfs.links.add("/models/iris/latest")
    with pytest.raises(StartError, match="latest is a link"):
        run(Pin("m", "hdfs://namenode/models/iris"))


def test_faults_pass(hdfs: Tree, run: Fetch) -> None:
    hdfs.faults = [503, 429, 500]
    said = run(Pin("m", "hdfs://namenode/models/bare/model.onnx"))
    assert sum("trying again" in line for line in said) == 3


@pytest.mark.parametrize(
    ("variables", "query"),
    [
        ({"HADOOP_USER_NAME": "growth"}, "user.name=growth"),
        ({"HADOOP_USER_NAME": "growth", "WEBHDFS_TOKEN": "t0k\n"}, "delegation=t0k"),
    ],
)
def test_who_asks(
    hdfs: Tree, run: Fetch, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], query: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = run(Pin("m", "hdfs://namenode/models/bare/model.onnx"))
    assert all(path.endswith(query) for path, _ in hdfs.requests)
    assert "t0k" not in "".join(said)
    with pytest.raises(StartError) as error:
        run(Pin("other", "hdfs://namenode/none"))
    assert "t0k" not in str(error.value)


def test_a_gateway_with_a_password(hdfs: Tree, run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    hdfs.allowed = ("Basic Z3Jvd3RoOmh1bnRlcg==",)
    with pytest.raises(StartError, match="access is refused: answered 401") as error:
        run(Pin("m", "hdfs://namenode/models/bare/model.onnx"))
    assert "WEBHDFS_USERNAME" in error.value.hint
    monkeypatch.setenv("WEBHDFS_USERNAME", "growth")
    monkeypatch.setenv("WEBHDFS_PASSWORD", "hunter")
    run(Pin("m", "hdfs://namenode/models/bare/model.onnx"))


@pytest.mark.parametrize("url", ["namenode:9870", "http://user:hunter2@namenode", "ftp://namenode"])
def test_a_wrong_webhdfs_url(run: Fetch, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WEBHDFS_URL", url)
    with pytest.raises(StartError, match="WEBHDFS_URL is not an http or https address") as error:
        run(Pin("m", "hdfs://namenode/models/iris"))
    assert "hunter2" not in str(error.value)


def test_no_namenode(run: Fetch) -> None:
    with pytest.raises(StartError, match="names no namenode, and WEBHDFS_URL is not set"):
        run(Pin("m", "hdfs:///models/iris"))


def test_the_port_of_hadoop_3() -> None:
    assert webhdfs_source("hdfs://nn:8020/m").shown == "hdfs://nn:8020/m of http://nn:9870"
    assert webhdfs_source("swebhdfs://nn/m").shown == "swebhdfs://nn/m of https://nn:9871"
