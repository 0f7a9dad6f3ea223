"""Requests in every form that HTTP/1.1 allows, and some that it does not."""

from __future__ import annotations

import gzip
import zlib

import pytest
from serving_image.tests.http.caller import Caller, chunked, get, post
from serving_image.tests.http.conftest import MAX_BODY_BYTES
from serving_image.tests.support.server import RunningServer

Row = list[float]


def test_pipelined_requests_are_answered_in_order(small: RunningServer, row: Row) -> None:
    asked = [
        post([row] * (1 + at % 3), f"x-request-id: pipelined-{at:04d}") if at % 2
        else get("/livez", f"x-request-id: pipelined-{at:04d}")
        for at in range(200)
    ]  # fmt: skip
    with Caller(small.port) as caller:
        caller.send(b"".join(asked))
        answers = [caller.answer() for _ in asked]
    assert [answer.status for answer in answers] == [200] * 200
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids == [f"pipelined-{at:04d}" for at in range(200)]
    assert all(len(answer.json()["predictions"]) == 1 + at % 3
               for at, answer in enumerate(answers) if at % 2)  # fmt: skip


def test_a_slow_request_holds_those_behind_it_back(slow: RunningServer, row: Row) -> None:
    with Caller(slow.port) as caller:
        caller.send(post([[94.0, 1, 1, 1]], "x-request-id: slow-one") + get() * 3000 + post([row]))
        assert caller.answer().headers["x-request-id"] == "slow-one"
        assert {caller.answer().body for _ in range(3000)} == {b"ok\n"}
        assert caller.answer().json()["predictions"] == [0]


def test_a_connection_serves_a_thousand_requests(small: RunningServer, row: Row) -> None:
    with Caller(small.port) as caller:
        assert {caller.ask(post([row])).status for _ in range(1000)} == {200}


def test_a_request_may_come_byte_by_byte(small: RunningServer, row: Row) -> None:
    with Caller(small.port) as caller:
        caller.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        for data in (post([row], "content-type: application/json"), chunked([b"[[", b"1,2,3,4]]"])):
            for at in range(len(data)):
                caller.send(data[at : at + 1])
            assert caller.answer().status == 200


def test_bodies_come_in_chunks(small: RunningServer, row: Row) -> None:
    body = str([row]).encode()
    with Caller(small.port) as caller:
        assert caller.ask(chunked([bytes([b]) for b in body])).json()["predictions"] == [0]
        assert caller.ask(chunked([body])).status == 200
        assert caller.ask(chunked([])).json()["error"]["code"] == "empty_body"


def test_trailers_count_for_nothing(small: RunningServer, row: Row) -> None:
    data = chunked([str([row]).encode()], "x-request-id: from-the-head")
    data = (
        data.removesuffix(b"\r\n")
        + b"x-request-id: from-the-trailer\r\ncontent-encoding: br\r\n\r\n"
    )
    with Caller(small.port) as caller:
        answer = caller.ask(data)
        assert (answer.status, answer.headers["x-request-id"]) == (200, "from-the-head")


def test_who_expects_to_continue_is_told_to(small: RunningServer, row: Row) -> None:
    whole = post([row], "expect: 100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    with Caller(small.port) as caller:
        assert caller.ask(head + b"\r\n\r\n").status == 100
        assert caller.ask(body).status == 200


def test_who_expects_to_continue_with_too_much_is_told_so_before(small: RunningServer) -> None:
    head = f"POST /v1/iris/predict HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: {10**9}\r\n\r\n"
    with Caller(small.port) as caller:
        assert caller.ask(head.encode()).status == 413


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [
        ("1.0", "", False),
        ("1.0", "connection: keep-alive\r\n", True),
        ("1.1", "", True),
        ("1.1", "connection: close\r\n", False),
    ],
)
def test_connections_stay_as_the_version_has_it(
    small: RunningServer, version: str, connection: str, stays: bool
) -> None:
    request = f"GET /livez HTTP/{version}\r\nhost: test\r\n{connection}\r\n".encode()
    with Caller(small.port) as caller:
        answer = caller.ask(request)
        if stays:
            assert answer.headers.get("connection") == (connection[12:-2] or None)
            assert caller.ask(request).status == 200
        else:
            assert answer.headers["connection"] == "close"
            assert caller.rest() == b""


def test_head_has_the_head_of_get(small: RunningServer) -> None:
    with Caller(small.port) as caller:
        caller.send(b"HEAD /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n")
        told = caller.answer(has_body=False)
        asked = caller.ask(get("/openapi.json"))
    assert (told.status, told.headers["content-length"]) == (200, str(len(asked.body)))
    assert told.headers["content-type"] == asked.headers["content-type"]


def test_paths_and_methods_that_are_not_there(small: RunningServer, row: Row) -> None:
    with Caller(small.port) as caller:
        assert caller.ask(get("/nothing")).json()["error"]["code"] == "not_found"
        answer = caller.ask(get("/v1/iris/predict"))
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert caller.ask(b"BREW /livez HTTP/1.1\r\nhost: test\r\n\r\n").status == 400
    with Caller(small.port) as caller:
        answer = caller.ask(post([row], path="/metrics"))
        assert (answer.status, answer.headers["connection"]) == (
            405,
            "close",
        )  # its body is not read


def test_other_spellings_of_a_path(small: RunningServer, row: Row) -> None:
    with Caller(small.port) as caller:
        for path in ("/v1/iris/predict/", "/v1/iris/predict?a=%2F&b", "/v1/%69ris/predict",
                     "http://elsewhere:80/v1/iris/predict"):  # fmt: skip
            assert caller.ask(post([row], path=path)).status == 200, path
        assert caller.ask(get("/../livez")).status == 404


@pytest.mark.parametrize("close", ["", ", close"])
def test_an_offer_of_http2_is_passed_over(small: RunningServer, row: Row, close: str) -> None:
    """As the HTTP client of Java sends its first request."""
    data = post(
        [row], f"connection: Upgrade, HTTP2-Settings{close}", "upgrade: h2c",
        "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA", "x-request-id: from-java",
    )  # fmt: skip
    for cut in (len(data), 40, len(data) - 5):
        with Caller(small.port) as caller:
            caller.send(data[:cut])
            caller.send(data[cut:])
            answer = caller.answer()
            assert (answer.status, answer.headers["x-request-id"]) == (200, "from-java")
            if close:
                assert caller.rest() == b""
            else:
                assert caller.ask(get()).status == 200


def test_an_offer_of_http2_in_a_pipeline(small: RunningServer, row: Row) -> None:
    offer = ("connection: Upgrade", "upgrade: h2c")
    with Caller(small.port) as caller:
        caller.send(get("/livez", *offer) + post([row], *offer) + get("/version", *offer) + get())
        statuses = [caller.answer() for _ in range(4)]
    assert [len(answer.body) for answer in statuses[::3]] == [3, 3]
    assert statuses[1].json()["predictions"] == [0]


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_bodies_may_be_compressed(small: RunningServer, row: Row, coding: str) -> None:
    pack = zlib.compress if coding == "deflate" else gzip.compress
    data = post(pack(str([row]).encode()), f"content-encoding: {coding}")
    with Caller(small.port) as caller:
        assert caller.ask(data).json()["predictions"] == [0]


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (gzip.compress(bytes(50 << 20)), "gzip", 413, "too_large"),
        (gzip.compress(b" " * (MAX_BODY_BYTES + 1)), "gzip", 413, "too_large"),
        (gzip.compress(b"[[1,2,3,4]]")[:-4], "gzip", 400, "malformed_encoding"),
        (gzip.compress(b"[[1,2,3,4]") + gzip.compress(b"]"), "gzip", 400, "malformed_encoding"),
        (b"[[1,2,3,4]]", "gzip", 400, "malformed_encoding"),
        (b"", "gzip", 400, "malformed_encoding"),
        (b"[[1,2,3,4]]", "br", 415, "unsupported_encoding"),
        (b"[[1,2,3,4]]", "gzip, gzip", 415, "unsupported_encoding"),
    ],
    # Without the bodies: gzip writes the time into them.
    ids=["bomb", "spaces", "cut", "two members", "not packed", "empty", "br", "twice"],
)
def test_compressed_bodies_that_are_refused(
    small: RunningServer, body: bytes, coding: str, status: int, code: str
) -> None:
    with Caller(small.port) as caller:
        answer = caller.ask(post(body, f"content-encoding: {coding}"))
        assert (answer.status, answer.json()["error"]["code"]) == (status, code)
        assert caller.ask(get()).status == 200


def test_a_bomb_of_the_largest_size_is_read_whole(small: RunningServer) -> None:
    body = b"[[1,2,3,4]]".ljust(MAX_BODY_BYTES)
    with Caller(small.port) as caller:
        assert caller.ask(post(gzip.compress(body), "content-encoding: gzip")).status == 200
        assert caller.ask(post(body)).status == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/vnd.iris+json", 200),
        ("application/x-www-form-urlencoded", 200),
        ("", 200),
        ("text/plain", 415),
        ("application/xml", 415),
        ("application/json; charset=latin-1", 415),
        ("text/csv", 422),
        ("multipart/form-data; boundary=x", 400),
    ],
)
def test_content_types(small: RunningServer, row: Row, content_type: str, status: int) -> None:
    with Caller(small.port) as caller:
        assert caller.ask(post([row], f"content-type: {content_type}")).status == status


def test_a_form_is_no_json(small: RunningServer) -> None:
    with Caller(small.port) as caller:
        answer = caller.ask(post(b"a=1", "content-type: application/x-www-form-urlencoded"))
        assert answer.json()["error"]["code"] == "unsupported_type"
