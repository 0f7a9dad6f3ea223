"""The real server as a process, on a port of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_SECONDS = 180
"""It takes one or two; many times that where others use the machine as well."""
STOP_SECONDS = 40


@dataclass(frozen=True)
class Answer:
    """A response, whole. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class RunningServer:
    """A server that takes requests."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    started_seconds: float
    """From the start of the process until it was ready."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, as `ask` makes it."""
        return ask(self.port, method, path, body, headers)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    def stop(self) -> int:
        """SIGTERM to this process alone; its exit code. RuntimeError when it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the server did not end:\n{self.said()}") from None

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]


def ask(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own. A body that is not bytes is sent as JSON."""
    sent = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | sent
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    finally:
        connection.close()


@contextmanager
def running_server(
    config: Mapping[str, Any],
    folder: Path,
    *,
    versions: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    open_files: int | None = None,
    file_bytes: int | None = None,
    port: int | None = None,
) -> Iterator[RunningServer]:
    """Serve a settings file, and wait until it is ready.

    `config` is what service.json holds, its port left to us; `folder` takes the file and the log;
    `versions` holds the version of each model where it is not "1"; `open_files` is the soft limit
    that the server finds, and `file_bytes` the most that it may write to one file; `port` is a free
    one where none is given. RuntimeError, with the end of the log, where the server ends or is not
    ready in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "service.json"
    file.write_text(json.dumps(config))
    log = folder / "server.log"
    port = port or free_port()
    models = [
        f"--model={model['name']}={(versions or {}).get(model['name'], '1')}"
        for model in config["models"]
    ]
    limits = [f"--nofile={open_files}:"] if open_files else []
    limits += [f"--fsize={file_bytes}"] if file_bytes else []
    command = [
        *(["prlimit", *limits] if limits else []),
        str(Path(sys.executable).with_name("servestack-server")),
        "serve", f"--config={file}", "--host=127.0.0.1", f"--port={port}", *models, *arguments,
    ]  # fmt: skip
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=os.environ | dict(environment or {}),
        )
    try:
        _wait_until_ready(process, port, log, started)
        yield RunningServer(process, port, log, time.monotonic() - started)
    finally:
        _end(process)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_until_ready(
    process: subprocess.Popen[bytes], port: int, log: Path, started: float
) -> None:
    while not is_ready(port):
        said = log.read_text(errors="replace")[-4000:]
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{said}")
        if time.monotonic() - started > READY_SECONDS:
            raise RuntimeError(f"the server was not ready within {READY_SECONDS} s:\n{said}")
        time.sleep(0.02)


def is_ready(port: int) -> bool:
    """Whether a server on this port takes requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
