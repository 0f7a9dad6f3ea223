"""Taking a copy is appending to a queue: nothing is sent, waited for or raised before the answers left."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import pytest
from serving_image.tests.support.shadow import stand_in

from servestack_contract.shadow import (
    RESULTS,
    ShadowTraffic,
    crc_limit,
    is_copied,
    read_traffic,
)
from servestack_server.http.request import Request
from servestack_server.shadow.connection import ShadowConnection
from servestack_server.shadow.copies import Copies
from servestack_server.shadow.traffic_file import TrafficFile


def request(number: int = 0, body: bytes = b"[[1, 2]]") -> Request:
    made = Request(lambda *answer: None, perf_counter())
    made.method, made.path, made.body = b"POST", "/v1/iris/predict", body
    made.headers = {b"x-request-id": b"request-%d" % number, b"content-type": b"application/json"}
    return made


def total(copies: Copies) -> int:
    return sum(copies.counts.values()) + copies.waiting


def in_loop(test: Callable[[Copies], Awaitable[None]]) -> None:
    async def run() -> None:
        copies = Copies()
        await test(copies)
        await copies.close(0)

    asyncio.run(run())


def test_the_answer_leaves_before_its_copy_is_taken() -> None:
    """`on_answered` is where a request is counted and copied."""
    order: list[str] = []
    asked = Request(lambda *answer: order.append("answer"), perf_counter())
    asked.on_answered = lambda request, status: order.append("copy")
    asked.answer(200, b"{}")
    assert order == ["answer", "copy"]


def test_nothing_is_sent_in_the_turn_in_which_a_copy_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[bytes] = []

    def send(connection: ShadowConnection, copy: bytes) -> None:
        """As if it were answered at once, so that the connection is idle again."""
        sent.append(copy)
        connection.busy_since, connection.size_bytes = 1.0, len(copy)
        connection.end("answered", close=False)

    monkeypatch.setattr(ShadowConnection, "send", send)
    assert not inspect.iscoroutinefunction(Copies.take)

    async def test(copies: Copies) -> None:
        with stand_in(lambda connection, data: None) as port:
            copies.change(ShadowTraffic("127.0.0.1", port))
            for number in range(3):
                copies.take(b"/v1/iris/predict", request(number))
            assert (sent, copies.waiting) == ([], 3)
            while copies.waiting:
                await asyncio.sleep(0.001)
            # Now there is an idle connection, and still nothing is written here.
            copies.take(b"/v1/iris/predict", request(3))
            assert (len(sent), copies.waiting) == (3, 1)
            await asyncio.sleep(0.01)
            assert (len(sent), copies.waiting) == (4, 0)

    in_loop(test)
    assert sent[0].startswith(b"POST /v1/iris/predict HTTP/1.1\r\n")


def test_a_full_queue_takes_no_more_and_counts() -> None:
    async def test(copies: Copies) -> None:
        copies.change(ShadowTraffic("127.0.0.1", 9, max_queue=5))
        for number in range(20):
            copies.take(b"/p", request(number))
        assert copies.waiting == 5
        assert copies.counts["dropped", "queue_full"] == 15
        assert total(copies) == 20

    in_loop(test)


def test_whatever_happens_every_copy_ends_once() -> None:
    """A shadow that is switched on, away and off while copies wait and are under way."""
    taken = 0

    def slow(connection: socket.socket, data: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        )

    async def test(copies: Copies) -> None:
        nonlocal taken
        with stand_in(slow) as one, stand_in(lambda connection, data: None) as silent:
            for port in (one, silent, one, None, one, 9, one, None, silent):
                traffic = ShadowTraffic("127.0.0.1", port, max_queue=50) if port else None
                copies.change(traffic)
                for number in range(100):
                    if copies.is_on:
                        copies.take(b"/p", request(number))
                        taken += 1
                    if number % 25 == 0:
                        await asyncio.sleep(0.002)
                assert total(copies) == taken
        await copies.close(0.1)
        assert copies.waiting == 0
        assert total(copies) == taken
        assert copies.counts["sent", "answered"]
        assert copies.counts["dropped", "turned_off"]
        assert set(copies.counts) == set(RESULTS)

    in_loop(test)


def test_a_connection_is_not_used_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service gives each connection a pod: pods that come later must get copies too."""
    monkeypatch.setattr("servestack_server.shadow.copies._LIFE_SECONDS", 0.1)
    opened: set[socket.socket] = set()

    def answer(connection: socket.socket, data: bytes) -> None:
        opened.add(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def test(copies: Copies) -> None:
        with stand_in(answer) as port:
            copies.change(ShadowTraffic("127.0.0.1", port))
            for number in range(40):
                copies.take(b"/p", request(number))
                await asyncio.sleep(0.02)
            while copies.waiting:
                await asyncio.sleep(0.01)
        assert copies.counts["sent", "answered"] == total(copies) == 40

    in_loop(test)
    assert 2 <= len(opened) < 10


@pytest.mark.parametrize(
    ("percent", "low", "high"), [(100, 1.0, 1.0), (10, 0.09, 0.11), (0.5, 0.003, 0.008)]
)
def test_the_share_is_what_was_asked_for(percent: float, low: float, high: float) -> None:
    limit = crc_limit(percent)
    chosen = sum(is_copied(b"0b5a7c1e-6c1f-4f0e-9a57-%012x" % n, limit) for n in range(20_000))
    assert low <= chosen / 20_000 <= high


def test_the_file_may_come_change_be_wrong_and_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "shadow.json"
    file = TrafficFile(path)
    assert (file.current, file.refresh()) == (None, False)
    path.write_text('{"host": "iris-shadow.models.svc", "percent": 5}')
    assert file.refresh()
    five_percent = file.current
    assert five_percent == ShadowTraffic("iris-shadow.models.svc", percent=5)
    assert not file.refresh()
    path.write_text('{"host": "a", "percents": 5}')
    assert file.refresh()
    assert file.current is None
    assert "percents" in caplog.text
    path.unlink()
    assert not file.refresh()
    with pytest.raises(ValueError, match="host"):
        read_traffic(b"{}")
