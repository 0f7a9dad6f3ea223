"""A real Prometheus and a real Alertmanager as processes, and a receiver of its webhooks."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.ports import free_ports
from tests.support.tools import installed

_READY_SECONDS = 30


@dataclass(frozen=True)
class Notice:
    """One alert of a webhook's message: the receiver that it came to, and when (monotonic)."""

    receiver: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    at: float

    @property
    def name(self) -> str:
        return self.labels["alertname"]

    @property
    def model(self) -> str:
        return self.labels["model_service"]


@dataclass
class Receiver:
    """Takes Alertmanager's webhooks at `url`/<receiver>, and keeps every alert in them."""

    url: str
    notices: list[Notice] = field(default_factory=list)

    def of(self, model: str, status: str | None = None) -> list[Notice]:
        """What came about a model, in order."""
        return [
            notice
            for notice in list(self.notices)
            if notice.model == model and status in (None, notice.status)
        ]


@contextmanager
def running_receiver(host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A small HTTP server in this process."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert body["version"] == "4"
            receiver.notices += [
                Notice(
                    self.path.strip("/"), alert["status"], alert["labels"], alert["annotations"],
                    time.monotonic(),
                )
                for alert in body["alerts"]
            ]  # fmt: skip
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((host, 0), Handler)
    receiver = Receiver(f"http://{host}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running_alertmanager(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    """Alertmanager with that configuration; its address."""
    (port,) = free_ports(1)
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    command = [
        f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with _running(folder, "alertmanager", command, f"http://127.0.0.1:{port}") as address:
        yield address


@contextmanager
def running_prometheus(folder: Path, config: dict[str, Any], lookback: str) -> Iterator[str]:
    """Prometheus 3 with that configuration; its address. `lookback` is how old a sample may be."""
    (port,) = free_ports(1)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    command = [
        f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}", f"--query.lookback-delta={lookback}",
    ]  # fmt: skip
    with _running(folder, "prometheus", command, f"http://127.0.0.1:{port}") as address:
        yield address


def api(address: str, path: str, **parameters: str) -> Any:
    """The data of an answer of Prometheus's API."""
    answer = requests.get(f"{address}/api/v1/{path}", params=parameters, timeout=30)
    answer.raise_for_status()
    return answer.json()["data"]


def wait(what: str, is_so: Callable[[], Any], seconds: float) -> Any:
    """Ask until the answer is true; returns it. AssertionError otherwise."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
    return answer


@contextmanager
def _running(folder: Path, name: str, arguments: list[str], address: str) -> Iterator[str]:
    """The program until the block ends, by its own handle."""
    log = folder / f"{name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", str(installed(name)), *arguments],
            stdout=stream,
            stderr=stream,
        )

    def is_ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            return requests.get(f"{address}/-/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    try:
        wait(f"{name} is ready", is_ready, _READY_SECONDS)
        yield address
    finally:
        process.terminate()
        process.wait(30)
