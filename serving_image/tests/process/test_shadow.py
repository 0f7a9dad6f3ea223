"""Copies for a shadow, between real servers: each answered request is copied, or counted as dropped."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from serving_image.tests.process.event_log import events, read
from serving_image.tests.process.load import Load, wait_until
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import free_port, running_server
from serving_image.tests.support.shadow import answered, copies, settled, stand_in, traffic_to

from servestack_contract.shadow import FILE, crc_limit, is_copied

PREDICT = "/v1/iris/predict"
Answer = Callable[[socket.socket, bytes], None]


def shadow_config(iris: Iris, folder: Path) -> dict[str, object]:
    """The settings of a shadow, as the generator makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "variant").write_text("shadow")
    return iris.config(
        name="iris-shadow",
        variantFile=str(folder / "variant"),
        events=events(folder / "events", source="/tests/iris-shadow"),
    )


def ask_for(seconds: float, port: int, body: bytes, callers: int = 4) -> Load:
    """Ask for some time; everything is answered."""
    load = Load(port, body, callers=callers, path=PREDICT)
    load.start()
    time.sleep(seconds)
    load.stop()
    assert not any(caller.lost or caller.refused for caller in load.callers)
    return load


def test_every_answered_request_is_copied_under_its_id(iris: Iris, tmp_path: Path) -> None:
    body = json.dumps([iris.rows[0]]).encode()
    config = iris.config(events=events(tmp_path / "events"))
    with running_server(
        shadow_config(iris, tmp_path / "shadow"), tmp_path / "shadow", versions={"iris": "4"}
    ) as shadow:
        traffic_to(shadow.port, tmp_path / "stable")
        with running_server(config, tmp_path / "stable", versions={"iris": "3"}) as stable:
            load = ask_for(0.5, stable.port, body)
            stable.post(PREDICT, ["no number"])
            assert settled(stable) == {("sent", "answered"): len(load.answered)}
            assert answered(stable) == len(load.answered) == answered(shadow) > 50
            assert stable.stop() == 0
        assert shadow.stop() == 0
    ids = sorted(id for id, _ in load.answered)
    for folder, variant, version in (("", "stable", "3"), ("shadow", "shadow", "4")):
        found = read(tmp_path / folder / "events")
        assert sorted(event["id"] for event in found) == ids
        assert {event["data"]["variant"] for event in found} == {variant}
        assert {event["data"]["version"] for event in found} == {version}


def test_a_share_is_chosen_by_id(iris: Iris, tmp_path: Path) -> None:
    config = iris.config()
    with running_server(shadow_config(iris, tmp_path / "shadow"), tmp_path / "shadow") as shadow:
        traffic_to(shadow.port, tmp_path / "stable", percent=30)
        with running_server(config, tmp_path / "stable") as stable:
            ids = [f"request-{number:04d}" for number in range(200)]
            for id in ids:
                assert stable.post(PREDICT, [iris.rows[0]], {"X-Request-Id": id}).status == 200
            chosen = sorted(id for id in ids if is_copied(id.encode(), crc_limit(30)))
            assert settled(stable) == {("sent", "answered"): len(chosen)}
            assert shadow.stop() == 0
    assert sorted(event["id"] for event in read(tmp_path / "shadow/events")) == chosen
    assert 30 < len(chosen) < 90


def never(connection: socket.socket, data: bytes) -> None:
    """Take the copy and say nothing."""


def garbage(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"no HTTP at all\r\n\r\n")


def half(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")
    connection.shutdown(socket.SHUT_RDWR)


def broken(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


def other_input(connection: socket.socket, data: bytes) -> None:
    connection.sendall(
        b"HTTP/1.1 422 Unprocessable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )


MISBEHAVIOUR: list[tuple[Answer, set[tuple[str, str]]]] = [
    (garbage, {("sent", "malformed")}),
    (half, {("sent", "lost")}),
    (broken, {("sent", "failed")}),
    (other_input, {("sent", "refused")}),
    (never, {("sent", "timeout"), ("dropped", "queue_full"), ("dropped", "expired")}),
]


def test_a_shadow_that_misbehaves_costs_no_answer_and_no_count(iris: Iris, tmp_path: Path) -> None:
    body = json.dumps([iris.rows[0]]).encode()
    now: list[Answer] = [never]
    before: dict[tuple[str, str], int] = {}
    told = 0
    with stand_in(lambda connection, data: now[0](connection, data)) as port:
        traffic_to(port, tmp_path / "stable", timeoutSeconds=0.5, maxQueue=100)
        with running_server(iris.config(), tmp_path / "stable") as stable:
            for answer, expected in MISBEHAVIOUR:
                now[0] = answer
                told += len(ask_for(0.4, stable.port, body).answered)
                found = settled(stable)
                assert sum(found.values()) == told == answered(stable)
                grown = {key for key, count in found.items() if count > before.get(key, 0)}
                # One that closes may also be met between two copies.
                assert grown & expected, (answer, grown)
                before = found
            assert ("sent", "answered") not in found
            wait_until(lambda: "copies for the shadow at 127.0.0.1" in stable.said())
            assert stable.said().count("copies for the shadow at") == 1, "once a minute at most"


def test_a_dead_shadow_is_not_waited_for(iris: Iris, tmp_path: Path) -> None:
    body = json.dumps([iris.rows[0]]).encode()
    traffic_to(free_port(), tmp_path / "stable")
    with running_server(iris.config(), tmp_path / "stable") as stable:
        load = ask_for(0.4, stable.port, body)
        assert settled(stable) == {("dropped", "unreachable"): len(load.answered)}
        assert stable.stop() == 0


def test_a_shadow_that_is_killed_and_comes_back(iris: Iris, tmp_path: Path) -> None:
    body, port = json.dumps([iris.rows[0]]).encode(), free_port()
    config = shadow_config(iris, tmp_path / "shadow")
    traffic_to(port, tmp_path / "stable")
    with running_server(iris.config(), tmp_path / "stable") as stable:
        load = Load(stable.port, body, callers=4, path=PREDICT)
        with running_server(config, tmp_path / "shadow", port=port) as shadow:
            load.start()
            wait_until(lambda: copies(stable)["sent", "answered"] > 50)
            shadow.process.kill()
            shadow.process.wait()
            wait_until(lambda: copies(stable)["dropped", "unreachable"] > 50)
        before = copies(stable)["sent", "answered"]
        with running_server(config, tmp_path / "shadow", port=port):
            wait_until(lambda: copies(stable)["sent", "answered"] > before + 50)
            load.stop()
            assert not any(caller.lost or caller.refused for caller in load.callers)
            found = settled(stable)
            assert sum(found.values()) == len(load.answered) == answered(stable)
    ids = {event["id"] for event in read_whole(tmp_path / "shadow/events")}
    # Written before its answer: what was counted as answered is in the log, and more may be.
    assert (
        found["sent", "answered"]
        <= len(ids)
        <= found["sent", "answered"] + found.get(("sent", "lost"), 0)
    )
    assert ids <= {id for id, _ in load.answered}


def read_whole(folder: Path) -> list[dict[str, object]]:
    """Events of a server that was killed: the last line of a file may be a part."""
    lines = [
        line
        for file in sorted(folder.glob("predictions-*.ndjson"))
        for line in file.read_bytes().split(b"\n")[:-1]
    ]
    return [json.loads(line) for line in lines]


def test_a_shadow_comes_changes_and_goes_without_a_restart(iris: Iris, tmp_path: Path) -> None:
    config = shadow_config(iris, tmp_path / "shadow")
    with (
        running_server(config, tmp_path / "shadow") as shadow,
        running_server(iris.config(), tmp_path / "stable") as stable,
    ):
        stable.post(PREDICT, [iris.rows[0]])
        assert copies(stable) == {}, "without a shadow there is no series"
        traffic_to(shadow.port, tmp_path / "stable")
        wait_until(lambda: "copies for a shadow: 100% to 127.0.0.1" in stable.said())
        stable.post(PREDICT, [iris.rows[0]])
        assert settled(stable) == {("sent", "answered"): 1}
        (tmp_path / "stable" / FILE).write_text('{"host": 1}')
        wait_until(lambda: "no request is copied for a shadow" in stable.said())
        stable.post(PREDICT, [iris.rows[0]])
        traffic_to(shadow.port, tmp_path / "stable", percent=50)
        wait_until(lambda: "copies for a shadow: 50% to" in stable.said())
        (tmp_path / "stable" / FILE).unlink()
        wait_until(lambda: stable.said().count("copies for a shadow: none") == 2)
        stable.post(PREDICT, [iris.rows[0]])
        assert settled(stable) == {("sent", "answered"): 1}


def test_every_protocol_is_copied_as_it_came_and_without_credentials(
    iris: Iris, tmp_path: Path
) -> None:
    seen: list[bytes] = []

    def keep(connection: socket.socket, data: bytes) -> None:
        seen.append(data)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    row = iris.rows[0]
    (tmp_path / "keys").write_text("sesame-of-tests\n")
    config = iris.config(
        protocols=["seldon"], apiKeys={"file": str(tmp_path / "keys")}, pathPrefix="/ml",
        events=events(tmp_path / "events", "predictions", "feedback"),
    )  # fmt: skip
    tensor = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": row}]}
    head = json.dumps(
        {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": 32}}]}
    ).encode()  # fmt: skip
    binary = head + struct.pack("<4d", *row)
    packed = gzip.compress(json.dumps([row]).encode())
    asked: list[tuple[str, object, dict[str, str], str]] = [
        (PREDICT, [row], {}, PREDICT),
        (f"/ml{PREDICT}?a=1", [row], {}, f"{PREDICT}?a=1"),
        ("/v1/iris/batch", [row, row], {}, "/v1/iris/batch"),
        (PREDICT, packed, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, PREDICT),
        ("/invocations", {"inputs": [row]}, {}, "/invocations"),
        ("/v2/models/iris/infer", tensor, {}, "/v2/models/iris/infer"),
        ("/v2/models/iris/versions/3/infer", tensor, {}, "/v2/models/iris/infer"),
        ("/v2/models/iris/infer", binary, {"Inference-Header-Content-Length": str(len(head))}, "/v2/models/iris/infer"),
        ("/v1/models/iris:predict", {"instances": [row]}, {}, "/v1/models/iris:predict"),
        ("/api/v1.0/predictions", {"data": {"ndarray": [row]}}, {}, "/api/v1.0/predictions"),
    ]  # fmt: skip
    secrets = {
        "X-API-Key": "sesame-of-tests", "Authorization": "Bearer sesame-of-tests",
        "Cookie": "session=sesame-of-tests", "Proxy-Authorization": "Basic sesame-of-tests",
        "X-Forwarded-For": "192.0.2.1",
    }  # fmt: skip
    with stand_in(keep) as port:
        traffic_to(port, tmp_path / "stable")
        with running_server(config, tmp_path / "stable", versions={"iris": "3"}) as stable:
            for number, (path, body, headers, copied_to) in enumerate(asked):
                id = f"request-{number}"
                answer = stable.post(path, body, secrets | headers | {"X-Request-Id": id})
                assert answer.status == 200, (path, answer.body)
                wait_until(lambda number=number: len(seen) == number + 1)  # type: ignore[misc]
                copy_head, _, copy_body = seen[-1].partition(b"\r\n\r\n")
                request_line, *lines = copy_head.decode().split("\r\n")
                assert request_line == f"POST {copied_to} HTTP/1.1"
                sent = body if isinstance(body, bytes) else json.dumps(body).encode()
                assert copy_body == sent
                named = dict(line.split(": ", 1) for line in lines)
                assert named["x-request-id"] == id
                assert named["host"] == f"127.0.0.1:{port}"
                for name, value in headers.items():
                    assert named[name.lower()] == value
                assert set(named) <= {
                    "host", "x-request-id", "content-length", "content-type", "content-encoding",
                    "inference-header-content-length", "accept", "traceparent",
                }  # fmt: skip
            stable.post("/v1/iris/feedback", {"id": "request-1", "feedback": 1}, secrets)
            stable.get("/openapi.json", secrets)
            assert stable.post(PREDICT, [row]).status == 401
            assert stable.post(PREDICT, ["x"], secrets).status == 422
            assert settled(stable) == {("sent", "answered"): len(asked)}
    assert not any(b"sesame" in copy for copy in seen)


def test_what_waits_is_bounded_by_bytes(iris: Iris, tmp_path: Path) -> None:
    with stand_in(never) as port:
        traffic_to(port, tmp_path / "stable", maxQueuedBytes=20_000)
        with running_server(iris.config(), tmp_path / "stable") as stable:
            many = [iris.rows[0]] * 300  # about 6 kB
            for _ in range(10):
                assert stable.post(PREDICT, many).status == 200
            found = copies(stable)
            assert 1 <= found["waiting", ""] <= 3
            assert found["dropped", "queue_full"] == 10 - found["waiting", ""]


def test_a_stopping_server_counts_what_it_could_not_send(iris: Iris, tmp_path: Path) -> None:
    with stand_in(never) as port:
        traffic_to(port, tmp_path / "stable")
        with running_server(iris.config(), tmp_path / "stable") as stable:
            for _ in range(30):
                stable.post(PREDICT, [iris.rows[0]])
            wait_until(lambda: copies(stable)["waiting", ""] == 30)
            before = time.monotonic()
            assert stable.stop() == 0
            assert time.monotonic() - before < 5, "a blocked shadow does not hold up the end"
            said = stable.said()
    assert "16 sent (lost), 14 dropped (stopping)" in said
