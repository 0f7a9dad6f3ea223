"""Callers of the models of a system: all endpoints, single rows and batches, mistakes, and bursts."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from serving_image.tests.support.iris import COLUMNS

from tests.dashboards.system import System

CALLERS = 3
"""Connections at a time, of each model."""
STORY = 50_000
"""Characters of a long feedback."""
Call = tuple[str, Any]
"""Path and body."""


class Callers:
    """Callers of one model. They turn to its running pods in turn, `rate` times a second together."""

    def __init__(self, system: System, model: str, rate: float) -> None:
        self.rate = rate
        self.outside = 0.03
        """Share of the requests that have a value outside of the range of training."""
        self._system, self._model = system, model
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,), daemon=True)
            for number in range(CALLERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def burst(self, callers: int = 24) -> None:
        """Many requests at the same moment: more than the queue takes, so some get 503."""
        together = threading.Barrier(callers)

        def ask() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._ports()[0], timeout=30)
            connection.connect()
            together.wait(30)
            self._send(connection, self._predict(1))
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def fill_log(self, size_bytes: int) -> None:
        """As much feedback as a pod's events may take on disk, so that it drops further events."""
        path, sent = f"/v1/{self._model}/feedback", 0
        connection = http.client.HTTPConnection("127.0.0.1", self._ports()[0], timeout=30)
        while sent < size_bytes:
            self._send(connection, (path, {"id": "a-long-story", "feedback": "x" * STORY}))
            sent += STORY
        connection.close()

    def _ask(self, number: int) -> None:
        connections: dict[int, http.client.HTTPConnection] = {}
        calls = self._calls(number)
        begin = time.monotonic()
        for turn in itertools.count(number):
            begin += CALLERS / self.rate
            if self._stop.wait(max(0.0, begin - time.monotonic())):
                break
            ports = self._ports()
            if not ports:
                continue
            port = ports[turn % len(ports)]
            if port not in connections:
                connections[port] = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                self._send(connections[port], next(calls))
            except (OSError, http.client.HTTPException):
                connections.pop(port).close()

    def _ports(self) -> list[int]:
        return [pod.port for pod in self._system.admitted if pod.model == self._model]

    @staticmethod
    def _send(connection: http.client.HTTPConnection, call: Call) -> None:
        path, body = call
        method = "GET" if body is None else "POST"
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        connection.getresponse().read()

    def _calls(self, number: int) -> Iterator[Call]:
        """The calls of one caller, without end."""
        base = f"/v1/{self._model}"
        rows = itertools.cycle(self._system.iris.rows)
        for turn in itertools.count(number):
            row = next(rows)
            if self.outside and turn % round(1 / self.outside) == 0:
                yield f"{base}/predict", [[1000.0, *row[1:]]]
            elif turn % 10 == 3:
                yield f"{base}/batch", [next(rows) for _ in range(40)]
            elif turn % 13 == 5:
                yield (
                    f"{base}/feedback",
                    {"id": f"{number:04}-{turn:011}", "feedback": {"species": 0}},
                )
            elif turn % 17 == 7:
                yield f"/v2/models/{self._model}/infer", _v2(row)
            elif turn % 19 == 11:
                yield "/invocations", {"inputs": [dict(zip(COLUMNS, row, strict=True))]}
            elif turn % 41 == 13:
                yield f"{base}/nothing", None
            else:
                yield self._predict(1 + turn % 4)

    def _predict(self, count: int) -> Call:
        rows = itertools.islice(itertools.cycle(self._system.iris.rows), count)
        return f"/v1/{self._model}/predict", [*rows]


def _v2(row: list[float]) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]}
            for name, value in zip(COLUMNS, row, strict=True)
        ]
    }
