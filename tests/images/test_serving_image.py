"""The serving image does a pod's work as a pod's user."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving_image.tests.support.iris import Iris, train_iris
from serving_image.tests.support.server import free_port

from servestack_server.fetch.digest import digest_of
from tests.images.container import Container

UID = 10001
READY_SECONDS = 60


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iris:
    return train_iris(tmp_path_factory.mktemp("iris") / "model")


@pytest.fixture
def mounts(iris: Iris, tmp_path: Path) -> dict[Path, str]:
    """The artifact, the settings, and an empty folder for models that is the user's."""
    folders = {name: tmp_path / name for name in ("artifact", "settings", "models")}
    shutil.copytree(iris.folder, folders["artifact"])
    folders["settings"].mkdir()
    folders["models"].mkdir()
    shutil.chown(folders["models"], UID, UID)
    config = iris.config(runtime="onnx")
    config["models"] = [{"name": "iris", "path": "/models/iris"}]
    (folders["settings"] / "service.json").write_text(json.dumps(config))
    for folder in folders.values():
        folder.chmod(0o755)
    return {
        folders["artifact"]: "/artifact",
        folders["settings"]: "/etc/servestack",
        folders["models"]: "/models",
    }


def test_a_model_is_fetched_baked_and_served(
    serving_container: Container, iris: Iris, mounts: dict[Path, str]
) -> None:
    server = ("python3", "-m", "servestack_server")
    pin = f"sha256={digest_of(iris.folder)}"
    fetch = (*server, "fetch", "--into=/models", f"--artifact=iris=file:///artifact#{pin}")
    fetched = serving_container.run(*fetch, mounts=mounts)
    assert fetched.returncode == 0, fetched.stderr
    settings = "--config=/etc/servestack/service.json"
    baked = serving_container.run(*server, "bake", settings, mounts=mounts)
    assert baked.returncode == 0, baked.stderr
    port = free_port()
    address = ("--host=127.0.0.1", f"--port={port}")
    serve = (*server, "serve", settings, f"--model=iris=1#{pin}", *address)
    with running(serving_container.command(*serve, mounts=mounts), port):
        status, body = ask(port, "POST", "/v1/iris/predict", json.dumps(iris.rows[:30]))
        assert status == 200, body
        assert json.loads(body)["predictions"] == iris.classes[:30]
        status, body = ask(port, "GET", "/docs")
        assert status == 200
        assert b"swagger-ui" in body


def test_a_wrong_digest_is_refused(serving_container: Container, mounts: dict[Path, str]) -> None:
    pin = f"iris=file:///artifact#sha256={'0' * 64}"
    fetch = ("fetch", "--into=/models", f"--artifact={pin}")
    done = serving_container.run("python3", "-m", "servestack_server", *fetch, mounts=mounts)
    assert done.returncode == 1
    assert "has sha256" in done.stderr


def test_it_starts_the_server_as_a_plain_user(serving_container: Container) -> None:
    config = serving_container.config()
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python3", "-m", "servestack_server"]


def test_nothing_is_compiled_at_the_start(serving_container: Container) -> None:
    """Python says for each module whether its code is from a .pyc or from the source."""
    program = "import servestack_server.process, sklearn, onnxruntime, pandas"
    said = serving_container.run("python3", "-v", "-c", program).stderr
    loaded = re.findall(r"^# code object from '?(\S+?)'?$", said, re.MULTILINE)
    assert len(loaded) > 500
    assert [file for file in loaded if not file.endswith(".pyc")] == []


@pytest.mark.parametrize("program", ["gcc", "cc", "clang", "ld", "make", "pip", "pip3", "uv"])
def test_what_builds_or_installs_is_not_there(serving_container: Container, program: str) -> None:
    assert serving_container.run("sh", "-c", f"command -v {program}").stdout == ""


@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools"])
def test_no_python_installs_anything(serving_container: Container, module: str) -> None:
    for python in ("python3", "/opt/serving/bin/python3", "$(readlink -f $(which python3))"):
        done = serving_container.run("sh", "-c", f"{python} -m {module} --version")
        assert done.returncode != 0, done.stdout


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_ready(process, port)
            yield
        finally:
            process.kill()


def wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    started = time.monotonic()
    while True:
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() - started > READY_SECONDS:
            process.kill()
            assert process.stderr is not None
            raise RuntimeError(f"the server was not ready:\n{process.stderr.read()}")
        time.sleep(0.1)


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
