"""Servers that hang, fail, refuse, or are something else than MLflow."""

from __future__ import annotations

import http.server
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servestack.errors import Location, RegistryError
from servestack.resolve import mlflow_registry
from servestack.resolve.lock import Lock
from servestack.resolve.locking import LockReport, LockRequest, lock_artifacts
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from tests.support.mlflow_server import MlflowServer

Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def serving(handle: Handle) -> Iterator[str]:
    """A real HTTP server on 127.0.0.1; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self)

        def do_POST(self) -> None:
            handle(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def answer(request: http.server.BaseHTTPRequestHandler, code: int, kind: str, body: bytes) -> None:
    request.send_response(code)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def lock_models(uri: str, count: int = 1) -> LockReport:
    registry = MlflowRegistry(MlflowAddress(uri))
    requests = [
        LockRequest(f"m{n}", f"m{n}", "models:/iris/1", Location(Path(f"models/m{n}.yaml"), 4))
        for n in range(count)
    ]
    return lock_artifacts(requests, Lock("prod"), lambda uri: registry)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions may take one second and not ten."""
    monkeypatch.setitem(mlflow_registry._ASKING, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


@pytest.mark.usefixtures("hurried")
def test_a_server_that_hangs_is_one_problem_and_asked_once_by_each_thread() -> None:
    asked: list[str] = []
    over = threading.Event()

    def hang(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        over.wait(60)

    with serving(hang) as uri:
        with pytest.raises(RegistryError) as caught:
            lock_models(uri, count=30)
        over.set()
    (problem,) = caught.value.problems
    assert (problem.id, str(problem.location)) == ("SRV222", "models/m0.yaml:4")
    assert problem.message == f"MLflow at {uri} did not answer: no answer in time"
    assert len(asked) <= 4


@pytest.mark.parametrize(
    ("code", "kind", "body", "id", "words"),
    [
        (500, "text/plain", b"boom", "SRV222", "error 500"),
        (503, "text/html", b"<h1>later</h1>", "SRV222", "error 503"),
        (404, "text/html", b"<h1>not here</h1>", "SRV222", "error 404"),
        (200, "text/html", b"<h1>Log in</h1>", "SRV222", "the server there is not MLflow"),
        (401, "text/plain", b"who are you?", "SRV225", "error 401"),
        (403, "application/json", b'{"error_code": "PERMISSION_DENIED", "message": "not yours"}',
         "SRV225", "MLflow denies access: not yours"),
    ],
)  # fmt: skip
def test_answers_that_do_not_help(code: int, kind: str, body: bytes, id: str, words: str) -> None:
    with (
        serving(lambda request: answer(request, code, kind, body)) as uri,
        pytest.raises(RegistryError) as caught,
    ):
        lock_models(uri)
    (problem,) = caught.value.problems
    assert problem.id == id
    assert words in problem.message
    assert "\n" not in problem.message


@pytest.mark.usefixtures("hurried")
def test_bytes_may_take_longer_than_answers(mlflow_server: MlflowServer) -> None:
    def forward(request: http.server.BaseHTTPRequestHandler) -> None:
        if "/mlflow-artifacts/artifacts/" in request.path:
            time.sleep(2.5)
        try:
            with urllib.request.urlopen(f"{mlflow_server.uri}{request.path}") as given:
                answer(request, given.status, given.headers["Content-Type"], given.read())
        except urllib.error.HTTPError as error:
            answer(request, error.code, error.headers["Content-Type"], error.read())

    with serving(forward) as uri:
        report = lock_models(uri)
    assert report.lock.models["m0"]["m0"].format == "skops"
