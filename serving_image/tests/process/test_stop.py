"""SIGTERM: what was asked is answered, what was answered is on disk, and the exit code is 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from serving_image.tests.api.owned_model import SLOW, own_iris
from serving_image.tests.http.caller import Caller, get, post
from serving_image.tests.process.event_log import events, read
from serving_image.tests.process.load import Load, wait_until
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import Answer, free_port, running_server

PATH = "/v1/iris/predict"


def test_nothing_is_lost_when_it_is_stopped_under_load(iris: Iris, tmp_path: Path) -> None:
    log = tmp_path / "events"
    config = iris.config(events=events(log, "predictions", "access"), batching={})
    with running_server(config, tmp_path) as server:
        load = Load(server.port, json.dumps([iris.rows[0]]).encode(), path=PATH)
        load.start()
        wait_until(lambda: len(load.answered) > 500)
        assert server.stop() == 0
        load.wait()
        assert "Traceback" not in server.said()
    assert [caller.lost for caller in load.callers] == [[]] * len(load.callers)
    assert sum(caller.refused for caller in load.callers) == 0
    answered = {id for id, _ in load.answered}
    for kind in ("predictions", "access"):
        logged = [event["id"] for event in read(log, kind)]
        assert len(logged) == len(set(logged))
        assert answered == set(logged)


def test_what_is_in_flight_is_answered(iris: Iris, tmp_path: Path) -> None:
    """A slow call, more behind it, pipelined ones; a second SIGTERM changes nothing."""
    log = tmp_path / "events"
    config = own_iris(iris, tmp_path, SLOW) | {"events": events(log)}
    with running_server(config, tmp_path) as server:
        with Caller(server.port) as one, Caller(server.port) as other, Caller(server.port) as late:
            one.send(post([[97.0, 1, 1, 1]]))
            time.sleep(0.1)
            other.send(post([iris.rows[0]]) + get("/livez") + post([iris.rows[1]]))
            late.send(post([iris.rows[2]])[:-4])
            time.sleep(0.05)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            server.process.send_signal(signal.SIGTERM)
            late.send(post([iris.rows[2]])[-4:])
            assert late.answer().json()["predictions"] == [2]
            slow = one.answer()
            assert (slow.status, slow.headers["connection"]) == (200, "close")
            answers = [other.answer() for _ in range(3)]
        assert server.stop() == 0
    assert answers[0].json()["predictions"] == [0]
    assert answers[2].json()["predictions"] == [1]
    assert answers[2].headers["connection"] == "close"
    assert len(read(log)) == 4


def test_it_is_unready_but_alive_while_it_stops(iris: Iris, tmp_path: Path) -> None:
    with running_server(own_iris(iris, tmp_path, SLOW), tmp_path) as server:
        answers: list[Answer] = []
        asking = threading.Thread(
            target=lambda: answers.append(server.post(PATH, [[100.0, 1.0, 1.0, 1.0]]))
        )
        with Caller(server.port) as probe:
            probe.ask(get())
            asking.start()
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            answer = probe.ask(get("/readyz"))
            assert (answer.status, answer.body) == (503, b"stopping\n")
        asking.join()
        assert answers[0].status == 200
        assert server.stop() == 0


def test_a_call_that_takes_too_long_is_given_up(iris: Iris, tmp_path: Path) -> None:
    config = own_iris(iris, tmp_path, SLOW) | {"shutdown": {"requestSeconds": 0.5}}
    with running_server(config, tmp_path) as server, Caller(server.port) as caller:
        caller.send(post([[100.0, 1, 1, 1]]))
        time.sleep(0.1)
        assert server.stop() == 1
        assert "requests unanswered after 0.5 s" in server.said()


def test_sigint_stops_it_too(iris: Iris, tmp_path: Path) -> None:
    with running_server(iris.config(), tmp_path) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0


def test_sigterm_while_loading(iris: Iris, tmp_path: Path) -> None:
    """The first process of a container has no default for signals: it must listen early."""
    code = "import time\nclass Owner:\n    def __init__(self):\n        time.sleep(60)\n    predict = 1\n"
    file = tmp_path / "service.json"
    file.write_text(json.dumps(own_iris(iris, tmp_path, code)))
    command = [sys.executable, "-m", "servestack_server", "serve", f"--config={file}",
               f"--port={free_port()}", "--host=127.0.0.1"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ)
    try:
        time.sleep(2.0)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert b"stopped before it was ready" in said
    assert b"Traceback" not in said
