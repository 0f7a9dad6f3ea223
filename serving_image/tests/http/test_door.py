"""What a caller can make the server hold: nothing without a key, and a bounded number of bytes."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.http.caller import Caller, chunked, get, post
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack_server.errors import RequestError
from servestack_server.http.draining import Draining
from servestack_server.http.request import Request
from servestack_server.http.server import HttpServer
from servestack_server.http.state import State
from servestack_server.memory import free_bytes, memory_bytes

KEY = "x-api-key: the-key"


@pytest.fixture(scope="module")
def locked(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that asks for a key."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "keys").write_text("the-key\n")
    with running_server(iris.config(apiKeys={"file": str(folder / "keys")}), folder) as server:
        yield server


def unfinished(*headers: str, path: str = "/v1/iris/predict") -> bytes:
    """The head of a POST, and a part of its body."""
    return post(b"[" * (1 << 20), *headers, path=path)[: 1 << 10]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/iris/predict", 401, "unauthorized"),
        ("/v2/models/iris/infer", 401, "unauthorized"),
        ("/v1/nothing", 404, "not_found"),
        ("/livez", 405, "method_not_allowed"),
    ],
)
def test_it_is_refused_before_its_body(
    locked: RunningServer, path: str, status: int, code: str
) -> None:
    for data in (
        unfinished(path=path),
        unfinished("expect: 100-continue", path=path),
        chunked([b"[[1"], path=path)[:-5],
    ):
        with Caller(locked.port) as caller:
            answer = caller.ask(data)
            told = answer.json()
            assert (answer.status, told.get("code") or told["error"]["code"]) == (status, code)
            assert answer.headers["connection"] == "close"
            assert caller.rest() == b""


def test_a_key_opens(locked: RunningServer, iris: Iris) -> None:
    with Caller(locked.port) as caller:
        assert caller.ask(post([iris.rows[0]], KEY)).status == 200
        assert caller.ask(post([iris.rows[0]], "x-api-key: another")).status == 401
    with Caller(locked.port) as caller:
        caller.send(post([iris.rows[0]], KEY, "expect: 100-continue"))
        assert caller.answer(has_body=False).status == 100
        assert caller.answer().status == 200


def test_an_empty_body_is_none(locked: RunningServer) -> None:
    with Caller(locked.port) as caller:
        assert (
            caller.ask(b"OPTIONS * HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").status == 200
        )
        assert caller.ask(post(b"")).status == 401
        assert caller.ask(get("/livez")).status == 200


def test_refused_requests_are_counted_under_their_path(locked: RunningServer) -> None:
    with Caller(locked.port) as caller:
        caller.ask(unfinished())
    (line,) = [
        line for line in locked.get("/metrics").body.decode().splitlines()
        if line.startswith("servestack_requests_total") and 'code="401"' in line
        and 'endpoint="/v1/iris/predict"' in line
    ]  # fmt: skip
    assert float(line.split()[-1]) >= 1


class Length:
    """An application: answers how long a body is, after a while for /slow."""

    def is_vital(self, request: Request) -> bool:
        return False

    def admit(self, request: Request) -> None:
        pass

    def handle(self, request: Request) -> None:
        if request.path == "/slow":
            asyncio.get_running_loop().call_later(0.3, self._answer, request)
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        request.answer(200, b"%d" % len(request.body))

    def refused(self, request: Request, error: RequestError) -> None:
        request.answer(int(error.status), error.code.encode())

    def timed_out(self, request: Request) -> None:
        request.answer(503, b"")


@contextmanager
def serving(state: State) -> Iterator[int]:
    """A server with this state in a thread; its port."""
    loop = asyncio.new_event_loop()
    sock = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(state, Length())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.listen(sock), loop).result(10)
        yield sock.getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0.1), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def wait_for(state: State, buffered_bytes: int) -> None:
    deadline = time.monotonic() + 10
    while state.buffered_bytes != buffered_bytes:
        assert time.monotonic() < deadline, state
        time.sleep(0.01)


def test_all_connections_share_one_budget() -> None:
    state = State(max_body_bytes=1000, timeout_seconds=30, max_buffered_bytes=1500)
    with serving(state) as port, Caller(port) as first:
        first.send(post(b"a" * 900)[:-1])
        wait_for(state, 899)
        with Caller(port) as second:
            answer = second.ask(post(b"b" * 900)[:-1])
            assert (answer.status, answer.body) == (503, b"too_much_buffered")
        wait_for(state, 899)
        with Caller(port) as third:
            assert third.ask(post(b"c" * 600)).body == b"600"
            assert third.ask(chunked([b"d"] * 500)).body == b"500"
        first.send(b"a")
        assert first.answer().body == b"900"
        wait_for(state, 0)


def test_what_is_aborted_or_refused_is_given_back() -> None:
    state = State(max_body_bytes=1000, timeout_seconds=30)
    with serving(state) as port:
        with Caller(port) as caller:  # in the middle of its body
            caller.send(post(b"a" * 900)[:-1])
            wait_for(state, 899)
        wait_for(state, 0)
        with Caller(port) as caller:  # while it waits for an answer, with another behind it
            caller.send(post(b"a" * 900, path="/slow") + post(b"b" * 800))
            wait_for(state, 1700)
        wait_for(state, 0)
        with Caller(port) as caller:  # too long, without telling before
            assert caller.ask(chunked([b"a" * 600, b"b" * 600])).status == 413
        wait_for(state, 0)
        with Caller(port) as caller:  # malformed behind a good one
            caller.send(post(b"a" * 900, path="/slow") + b"nonsense\r\n\r\n")
            assert caller.answer().body == b"900"
        wait_for(state, 0)
        with Caller(port) as caller:
            assert caller.ask(get("/")).body == b"0"
    assert state.buffered_bytes == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("536870912\n", 536870912), ("max\n", None), ("9" * 19, None)]
)
def test_the_memory_limit_is_the_containers(
    tmp_path: Path, text: str, expected: int | None
) -> None:
    (tmp_path / "memory.max").write_text(text)
    found = memory_bytes((tmp_path / "missing", tmp_path / "memory.max"))
    assert found == (expected if expected is not None else memory_bytes(()))


def test_what_is_free_is_the_limit_less_what_this_process_holds() -> None:
    before = free_bytes()
    held = b"x" * (64 << 20)
    assert 48 << 20 < before - free_bytes() < 80 << 20
    assert before < memory_bytes() - len(held) // 8


def test_bodies_that_nobody_wants_are_read_few_at_a_time(locked: RunningServer) -> None:
    """Callers that send all of a body before they read get their answer all the same."""
    whole = post(b"[" * (2 << 20))
    callers = [socket.create_connection(("127.0.0.1", locked.port), 20) for _ in range(40)]
    senders = [threading.Thread(target=caller.sendall, args=(whole,)) for caller in callers]
    for sender in senders:
        sender.start()
    with Caller(locked.port) as allowed:
        assert allowed.ask(post([[5.1, 3.5, 1.4, 0.2]], KEY)).status == 200
    for sender, caller in zip(senders, callers, strict=True):
        sender.join()
        assert caller.recv(12) == b"HTTP/1.1 401"
        caller.close()


class Ended:
    """A connection that lingers."""

    lingering_since = 0.0

    def __init__(self) -> None:
        self.transport: Any = self
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False


def test_each_gets_its_turn_when_another_has_gone() -> None:
    asyncio.run(give_turns())


async def give_turns() -> None:
    draining = Draining()
    ended = [Ended() for _ in range(20)]
    for connection in ended:
        draining.received(connection)
        assert not connection.reads  # Once is enough for one turn of the event loop.
    await asyncio.sleep(0)
    turns = sum(connection.reads for connection in ended)
    assert 0 < turns < len(ended)
    draining.gone(ended[-1])  # It has gone before its turn.
    for at in range(len(ended) - turns - 1):
        following = ended[at + turns]
        assert draining.is_waiting(following)
        draining.gone(ended[at])
        assert (following.reads, draining.is_waiting(following)) == (True, False)
        assert following.lingering_since > 0
    assert not ended[-1].reads
