"""Callers that send too much, too slowly, or break off; what they get is an answer, then the end."""

from __future__ import annotations

import http.client
import resource
import selectors
import socket
import time

import pytest
from serving_image.tests.http.caller import Caller, chunked, get, post
from serving_image.tests.http.conftest import MAX_BODY_BYTES, TIMEOUT_SECONDS
from serving_image.tests.support.server import RunningServer

Row = list[float]
MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /livez HTTP/1.1\nhost: x\n\n",
    b"GET /livez HTTP/1.1\r\nhost : x\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nhost: test\r\nx: a\x00b\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nhost: test\r\n\r\n",
    b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\ncontent-length: -1\r\n\r\n",
    b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
]
SMUGGLING = [
    b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
    b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    b"content-length: 5\r\ncontent-length: 6\r\n",
    b"content-length: 5, 6\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    b"transfer-encoding: xchunked\r\n",
    b"transfer-encoding: chunked, identity\r\n",
    b"transfer-encoding:\x0bchunked\r\n",
]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_http_gets_400_and_the_end(small: RunningServer, data: bytes) -> None:
    with Caller(small.port) as caller:
        answer = caller.ask(data)
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.json()["error"]["code"] == "malformed_request"
        assert caller.rest() == b""


@pytest.mark.parametrize("headers", SMUGGLING, ids=range(len(SMUGGLING)))
def test_bodies_of_two_lengths_are_refused(small: RunningServer, headers: bytes) -> None:
    hidden = b"0\r\n\r\nGET /version HTTP/1.1\r\nhost: test\r\n\r\n"
    with Caller(small.port) as caller:
        answer = caller.ask(
            b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\n" + headers + b"\r\n" + hidden
        )
        assert answer.status == 400
        assert caller.rest() == b""


def test_what_is_due_is_answered_before_a_malformed_request_ends_it(
    slow: RunningServer, row: Row
) -> None:
    with Caller(slow.port) as caller:
        caller.send(post([[92.0, 1, 1, 1]]) + post([row]) + b"nonsense\r\n\r\n")
        assert caller.answer().status == 200
        answer = caller.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert caller.rest() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/" + "a" * 40_000), 414),
        (get("/livez?" + "a" * 300_000), 414),
        (get("/livez", *(f"x-{at}: {'a' * 100}" for at in range(400))), 431),
        (get("/livez", f"x: {'a' * 40_000}"), 431),
        (get("/livez", f"{'x' * 40_000}: a"), 431),
    ],
    ids=["path", "query", "many headers", "long value", "long name"],
)
def test_heads_have_a_limit(small: RunningServer, data: bytes, status: int) -> None:
    with Caller(small.port) as caller:
        answer = caller.ask(data)
        assert (answer.status, answer.json()["error"]["code"]) == (status, "too_long")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\nhost: test\r\nx: ",
        b"GET /livez HTTP/1.1\r\nhost: test\r\n",
        b"GET /",
        b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
        b"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5;x=",
    ],
    ids=["value", "name", "path", "trailer", "chunk extension"],
)
def test_nothing_without_an_end_is_kept(small: RunningServer, head: bytes) -> None:
    """A megabyte in a second: what is read of it stays below what a body may have."""
    with Caller(small.port) as caller:
        caller.send(head)
        try:
            for _ in range(64):
                caller.send(b"a" * (16 << 10))
                time.sleep(0.002)
        except OSError:
            pass  # Refused already.
        assert caller.answer().status in (413, 414, 431)


@pytest.mark.parametrize("by", ["length", "chunks", "one chunk"])
def test_413_can_be_read_before_the_end(small: RunningServer, by: str) -> None:
    body = b" " * (MAX_BODY_BYTES * 40)
    data = (
        post(body) if by == "length" else chunked([body[:4096]] * 640 if by == "chunks" else [body])
    )
    with Caller(small.port) as caller:
        caller.send(data)  # All of it, as a caller does that reads only afterwards.
        answer = caller.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.json()["error"]["code"] == "too_large"


def test_the_limit_itself_is_allowed(small: RunningServer) -> None:
    body = b"[[1,2,3,4]]".ljust(MAX_BODY_BYTES)
    with Caller(small.port) as caller:
        assert caller.ask(chunked([body[:100], body[100:]])).status == 200
        assert caller.ask(chunked([body, b" "])).status == 413


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_request_that_does_not_arrive_gets_408(
    small: RunningServer, row: Row, part: float
) -> None:
    data = post([row])
    before = time.monotonic()
    with Caller(small.port) as caller:
        answer = caller.ask(data[: int(len(data) * part)])
        assert answer.status == 408
        assert caller.rest() == b""
    assert TIMEOUT_SECONDS - 0.1 < time.monotonic() - before < TIMEOUT_SECONDS + 4


def test_drops_now_and_then_do_not_buy_time(small: RunningServer) -> None:
    with Caller(small.port) as caller:
        caller.send(b"GET /livez HTTP/1.1\r\nhost: test\r\n")
        started = time.monotonic()
        while time.monotonic() - started < TIMEOUT_SECONDS * 0.8:
            caller.send(b"x-header: y\r\n")
            time.sleep(0.1)
        assert caller.answer().status == 408


def test_slow_callers_do_not_hold_up_others(small: RunningServer, row: Row) -> None:
    partial = [Caller(small.port) for _ in range(200)]
    for caller in partial:
        caller.send(post([row])[:-3])
    with Caller(small.port) as other:
        before = time.monotonic()
        assert {other.ask(post([row])).status for _ in range(50)} == {200}
        assert time.monotonic() - before < TIMEOUT_SECONDS
    for caller in partial:
        caller.send(b"]]]"[-3:])
    for caller in partial:
        caller.socket.close()


def test_a_caller_that_reads_nothing_is_let_go(small: RunningServer) -> None:
    """It asks for much and takes none of it: reading stops, then the connection ends."""
    caller = Caller(small.port, timeout_seconds=0.5)
    asked = 0
    try:
        while asked < 200_000:
            caller.send(get("/docs/swagger-ui-bundle.js") * 100)
            asked += 100
    except OSError:  # TimeoutError: nobody reads; or the end already.
        pass
    assert asked < 200_000
    assert wait_until_closed(caller, TIMEOUT_SECONDS + 5)
    assert small.get("/livez").status == 200


def wait_until_closed(caller: Caller, seconds: float) -> bool:
    """Whether sending fails for another reason than a full buffer, in time."""
    deadline = time.monotonic() + seconds
    caller.socket.setblocking(False)
    while time.monotonic() < deadline:
        try:
            caller.socket.send(b"x")
        except BlockingIOError:
            pass
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_callers_that_go_away_leave_nothing_behind(slow: RunningServer, row: Row) -> None:
    for at in range(100):
        caller = Caller(slow.port)
        caller.send(post([[91.0, 1, 1, 1]]) if at % 2 else post([row])[: 20 + at])
        if at % 3 == 0:  # With a reset.
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        caller.__exit__(None, None, None)
    assert slow.post("/v1/iris/predict", [row]).json()["predictions"] == [0]
    deadline = time.monotonic() + 10
    while gauge(slow, "servestack_requests_in_flight") > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gauge(slow, "servestack_requests_in_flight") == 1  # The one that asks.
    assert gauge(slow, "servestack_queue_depth") == 0


def gauge(server: RunningServer, name: str) -> float:
    """The value of a metric without labels of its own."""
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith(name + "{"):
            return float(line.rpartition(" ")[2])
    raise AssertionError(name)


def test_a_caller_that_has_said_all_is_answered(slow: RunningServer, row: Row) -> None:
    with Caller(slow.port) as caller:
        caller.send(post([row]) + post([row, row]))
        caller.socket.shutdown(socket.SHUT_WR)
        assert len(caller.answer().json()["predictions"]) == 1
        assert len(caller.answer().json()["predictions"]) == 2
        assert caller.rest() == b""


def test_connect_is_refused_once(small: RunningServer) -> None:
    with Caller(small.port) as caller:
        assert (
            caller.ask(b"CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere\r\n\r\n").status == 501
        )
        assert caller.rest() == b""


@pytest.fixture
def many_files() -> None:
    """As many open files as this process may ever have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 8192:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))


@pytest.mark.usefixtures("many_files")
def test_three_thousand_connections_at_once(small: RunningServer, row: Row) -> None:
    waiting = selectors.DefaultSelector()
    data = post([row])
    callers = []
    for _ in range(3000):
        connection = socket.create_connection(("127.0.0.1", small.port), 20)
        waiting.register(connection, selectors.EVENT_READ)
        callers.append(connection)
    for connection in callers:
        connection.sendall(data)
    answered = 0
    while answered < len(callers):
        ready = waiting.select(10)
        assert ready, f"{answered} answers"
        for key, _ in ready:
            connection = callers[0].__class__(fileno=socket.dup(key.fd))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            connection.close()
            waiting.unregister(key.fileobj)
            answered += 1
    for connection in callers:
        connection.close()


@pytest.mark.usefixtures("many_files")
def test_with_too_many_connections_probes_alone_are_answered(
    small: RunningServer, row: Row
) -> None:
    callers = [socket.create_connection(("127.0.0.1", small.port), 20) for _ in range(4096)]
    try:
        with Caller(small.port) as caller:
            answer = caller.ask(post([row]))
            assert answer.status == 503
            assert answer.json()["error"]["code"] == "too_many_connections"
            assert caller.rest() == b""
        for path in ("/livez", "/readyz", "/metrics"):
            with Caller(small.port) as caller:
                answer = caller.ask(get(path))
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                assert caller.rest() == b""
        with Caller(small.port) as caller:
            assert caller.rest() == b""  # It has sent nothing for two seconds.
        with Caller(small.port) as caller:
            caller.send(b"GET /livez HTTP/1.1\r\n")
            assert caller.answer().status == 408
    finally:
        for connection in callers:
            connection.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if small.get("/livez").status == 200:
                return
        except http.client.HTTPException:
            time.sleep(0.05)
    raise AssertionError("the connections that ended still count")
