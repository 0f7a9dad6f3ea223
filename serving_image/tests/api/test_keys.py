"""API keys: asked for, compared, rotated as the kubelet swaps them."""

from __future__ import annotations

import ast
import inspect
import logging
import signal
import time
from pathlib import Path

import pytest
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack_contract.settings import ApiKeys
from servestack_server.api import keys as keys_module
from servestack_server.api.keys import KeyCheck

LOCKED = [
    ("POST", "/v1/iris/predict"), ("POST", "/v1/iris/batch"), ("POST", "/invocations"),
    ("POST", "/v2/models/iris/infer"), ("GET", "/v2/models/iris"), ("GET", "/v2/models"),
]  # fmt: skip
OPEN = ["/livez", "/readyz", "/metrics", "/v2/health/live", "/docs", "/openapi.json"]


def mount(volume: Path, text: str) -> Path:
    """Write a secret as the kubelet does: a new folder, and a link that is replaced at once."""
    folder = volume / f"..{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    (folder / "keys").write_text(text)
    link = volume / "..data_tmp"
    link.symlink_to(folder.name)
    link.replace(volume / "..data")
    if not (volume / "keys").is_symlink():
        (volume / "keys").symlink_to("..data/keys")
    return volume / "keys"


def status(server: RunningServer, key: str | None, iris: Iris) -> int:
    headers = {"X-Team-Key": key} if key is not None else {}
    return server.post("/v1/iris/predict", [iris.rows[0]], headers).status


def wait_for(server: RunningServer, key: str, iris: Iris, wanted: int) -> None:
    deadline = time.monotonic() + 10
    while status(server, key, iris) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_keys_are_asked_for_and_rotated(iris: Iris, tmp_path: Path) -> None:
    file = mount(tmp_path / "volume", "# a comment\nfirst-key\n\n  second-key  \r\n")
    config = iris.config(apiKeys={"file": str(file), "header": "X-Team-Key"})
    with running_server(config, tmp_path) as server:
        for method, path in LOCKED:
            answer = server.request(method, path, [iris.rows[0]] if method == "POST" else None)
            assert answer.status == 401, path
            assert answer.headers["www-authenticate"] == 'ApiKey realm="iris"', path
        answer = server.post("/v1/iris/predict", [iris.rows[0]])
        assert answer.json()["error"] == {
            "code": "unauthorized", "message": "send a key in the header X-Team-Key",
        }  # fmt: skip
        for path in OPEN:
            assert server.get(path).status == 200, path
        assert status(server, "first-key", iris) == status(server, "second-key", iris) == 200
        for wrong in (
            "",
            "# a comment",
            "a comment",
            "first-ke",
            "first-key1",
            "FIRST-KEY",
            "first-key\xe4",
            "x" * 10_000,
        ):
            assert status(server, wrong, iris) == 401, wrong
        server.process.send_signal(signal.SIGHUP)  # Many servers read their files again then.
        mount(tmp_path / "volume", "second-key\nthird-key")
        wait_for(server, "third-key", iris, 200)
        assert status(server, "first-key", iris) == 401
        assert status(server, "second-key", iris) == 200
        mount(tmp_path / "volume", "\n\n")
        wait_for(server, "third-key", iris, 401)
        mount(tmp_path / "volume", "fourth-key\n")
        wait_for(server, "fourth-key", iris, 200)
        (tmp_path / "volume" / "..data").unlink()  # Unmounted: what was read still counts.
        time.sleep(2.5)
        assert status(server, "fourth-key", iris) == 200
        said = server.log.read_text()
    assert "the old ones stay valid" in said
    for key in ("first-key", "second-key", "third-key", "fourth-key"):
        assert key not in said


def test_an_empty_file_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "keys").write_text("")
    with caplog.at_level(logging.WARNING):
        check = KeyCheck(ApiKeys(file=str(tmp_path / "keys")))
    assert check._digests == ()
    assert "every request is refused" in caplog.text


def test_keys_are_compared_in_constant_time_by_construction() -> None:
    """Digests of one length, by hmac.compare_digest, all of them, without a way out before."""
    (call,) = [
        node for node in ast.walk(ast.parse(inspect.getsource(keys_module)))
        if isinstance(node, ast.FunctionDef) and node.name == "__call__"
    ]  # fmt: skip
    (loop,) = [node for node in ast.walk(call) if isinstance(node, ast.For)]
    assert [ast.unparse(step) for step in loop.body] == [
        "accepted |= hmac.compare_digest(digest, known)"
    ]
    compared = [node for node in ast.walk(call) if isinstance(node, ast.Compare)]
    assert [ast.unparse(node) for node in compared] == ["given is not None"]
