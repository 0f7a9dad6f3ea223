"""What RFC 9110 and RFC 9112 ask of any server: date, host, OPTIONS, and the end of a connection."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest
from serving_image.tests.http.caller import Caller, get, post
from serving_image.tests.support.server import RunningServer

Row = list[float]


@pytest.mark.parametrize("path", ["/livez", "/nothing"])
def test_every_answer_has_its_date(small: RunningServer, path: str) -> None:
    """RFC 9110, 6.6.1."""
    with Caller(small.port) as caller:
        given = caller.ask(get(path)).headers["date"]
    assert given.endswith(" GMT")
    assert abs(parsedate_to_datetime(given).timestamp() - time.time()) < 5


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\nHost: a\r\nhOST: b\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nhost:\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHoSt: a:80\r\n\r\n", 200),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
    ],
    ids=["none", "twice", "twice in 1.0", "empty", "one", "none in 1.0"],
)
def test_a_request_names_one_host(small: RunningServer, head: bytes, status: int) -> None:
    """RFC 9112, 3.2. After a refusal the connection ends: what follows belongs to nobody."""
    with Caller(small.port) as caller:
        answer = caller.ask(head)
        assert answer.status == status
        if status == 400:
            assert answer.json()["error"]["code"] == "malformed_request"
            assert answer.headers["connection"] == "close"
            assert caller.rest() == b""


def test_options_of_the_whole_server(small: RunningServer) -> None:
    """RFC 9110, 9.3.7."""
    with Caller(small.port) as caller:
        answer = caller.ask(b"OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n")
        assert (answer.status, answer.body) == (200, b"")
        assert "POST" in answer.headers["allow"]
        assert caller.ask(b"GET * HTTP/1.1\r\nhost: test\r\n\r\n").status == 404
    with Caller(small.port) as caller:
        assert caller.ask(b"OPTIONS /livez HTTP/1.1\r\nhost: test\r\n\r\n").status == 405


@pytest.mark.parametrize(
    "target", ["http://elsewhere", "HTTP://elsewhere/", "https://a:1/livez", "http://a/nothing"]
)
def test_an_absolute_target_is_its_path(small: RunningServer, target: str) -> None:
    """RFC 9112, 3.2.2. An empty path is `/`."""
    with Caller(small.port) as caller:
        status = caller.ask(get(target)).status
        assert status == (404 if target.endswith("/nothing") else 200)


@pytest.mark.parametrize("form", ["one by one", "at once"])
def test_nothing_is_answered_after_the_last_answer(
    small: RunningServer, row: Row, form: str
) -> None:
    """RFC 9112, 9.6: of what comes after `connection: close` nothing is done, and nothing said."""
    last, more = post([row], "connection: close"), get() + post([row])
    with Caller(small.port) as caller:
        if form == "at once":
            caller.send(last + more)
            answer = caller.answer()
        else:
            answer = caller.ask(last)
            caller.send(more)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert caller.rest() == b""
    with Caller(small.port) as caller:
        assert caller.ask(get()).status == 200
    assert "Traceback" not in small.log.read_text()
