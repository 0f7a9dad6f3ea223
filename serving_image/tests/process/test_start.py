"""What keeps the server from starting: one line that says what to do, and no traceback."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.api.owned_model import own_iris
from serving_image.tests.process.event_log import events
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import free_port, running_server
from tests.support.forked import servestack_server


def start(config: Any, folder: Path, *arguments: str, port: int | None = None) -> str:
    """Start what cannot start; the one line that it says. A fork saves the imports of each start."""
    file = folder / "service.json"
    if config is not None:
        file.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
    place = (f"--port={port or free_port()}", "--host=127.0.0.1")
    done = servestack_server("serve", f"--config={file}", *place, *arguments)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr or "owner.py" in done.stderr
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == errors[0]
    return errors[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": [{"name": "iris"}]}, ["service.json", "`path`"]),
        ({"port": "8080"}, ["`int`, got `str`", "$.port"]),
        ({"errorstyle": "ok200"}, ["unknown field `errorstyle`", "servestack version of the image"]),
        ({"limits": {"maxRow": 5}}, ["unknown field `maxRow`", "$.limits"]),
        ({"graph": {"kind": "chain", "steps": ["iris", "iris"], "step": 1}},
         ["unknown field `step`", "$.graph"]),
        ({"runtime": "fast"}, ["'fast'", "$.runtime"]),
        ({"input": {"columns": [{"name": "a", "type": "real"}]}}, ["'real'", "$.input.columns[0].type"]),
        ({"input": {"columns": [{"name": "a", "type": "long"}] * 2}}, ["same name"]),
        ({"input": {"columns": [{"name": "a", "type": "string", "enum": []}]}}, ["'a'", "enum"]),
        ({"input": {"tensor": {"dtype": "float63", "shape": [-1, 4]}}}, ["float63"]),
        ({"input": {"tensor": {"dtype": "float64", "shape": []}}}, ["shape"]),
        ({"graph": {"nodes": ["iris", "iris"]}}, ["graph", "kind"]),
        ({"graph": {"kind": "mixture", "nodes": ["iris"]}}, ["graph"]),
        ({"graph": {"kind": "ensemble", "nodes": ["iris", "rose"]}}, ["'rose'", "not a model of the service"]),
        ({"graph": {"kind": "split", "branches": [{"node": "iris"}]}}, ["graph", "weight"]),
        ({"graph": {"kind": "router", "column": "size", "cases": [], "otherwise": "iris"}},
         ["'size'", "not in the input"]),
        ({"apiKeys": {"file": "/nowhere/keys"}}, ["/nowhere/keys", "api.auth.apiKeys"]),
        ({"events": {"folder": "/proc/nowhere", "source": "/t", "kinds": ["predictions"]}},
         ["/proc/nowhere", "writable"]),
        ({"models": [{"name": "iris", "path": "/nowhere/iris"}]}, ["/nowhere/iris", "fetch the model first"]),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(
    iris: Iris, tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    line = start(iris.config(**change), tmp_path)
    assert [word for word in words if word not in line] == [], line


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"name": "x"}'])
def test_settings_that_are_no_settings(tmp_path: Path, data: bytes) -> None:
    assert "service.json" in start(data, tmp_path)


def test_settings_that_are_not_there(tmp_path: Path) -> None:
    assert "service.json: cannot be read: No such file" in start(None, tmp_path)


def test_examples_that_do_not_fit(iris: Iris, tmp_path: Path) -> None:
    given = iris.config()["input"]
    line = start(iris.config(input=given | {"example": [[1, 2, 3]]}), tmp_path)
    assert "the example does not fit the input: row 0" in line
    line = start(iris.config(input={"example": [[1.0, 2.0]]}), tmp_path)
    assert "iris: the model fails on the example" in line
    assert "api.input" in line


def test_a_model_that_fails_on_the_example_with_a_log(iris: Iris, tmp_path: Path) -> None:
    code = "class Owner:\n    def predict(self, inputs, model):\n        return 1 / 0\n"
    config = own_iris(iris, tmp_path, code) | {"events": events(tmp_path / "events")}
    file_lines = start(config, tmp_path)
    assert "iris: the model fails on the example" in file_lines


def test_a_model_that_is_damaged(iris: Iris, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(iris.folder, model)
    (model / "model.skops").write_bytes(b"not a zip file")
    assert "model" in start(iris.config(models=[{"name": "iris", "path": str(model)}]), tmp_path)


def test_arguments_that_are_no_pins(iris: Iris, tmp_path: Path) -> None:
    assert "NAME=VALUE#sha256=HEX" in start(iris.config(), tmp_path, "--model=iris")


def test_a_port_that_is_taken(iris: Iris, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used: Address already in use" in start(
            iris.config(), tmp_path, port=port
        )
    assert "port 99999 cannot be used" in start(iris.config(), tmp_path, port=99999)


def test_a_port_that_is_taken_meanwhile(iris: Iris, tmp_path: Path) -> None:
    """Bound by both, as sockets that may share an address are; listened on by the other first."""
    code = """
import os, socket
class Owner:
    def __init__(self):
        other = socket.socket()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(os.environ["TAKEN"])))
        other.listen()
        Owner.other = other
    def postprocess(self, outputs):
        return outputs
"""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAKEN", str(port))
        line = start(own_iris(iris, tmp_path, code), tmp_path, port=port)
    assert f"port {port} cannot be used: " in line


def test_it_may_have_few_open_files_at_first(iris: Iris, tmp_path: Path) -> None:
    """It raises its own limit, which many systems set to 1,024."""
    with running_server(iris.config(), tmp_path, open_files=256) as server:
        callers = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(600)]
        assert server.get("/livez").status == 200
        for caller in callers:
            caller.close()
