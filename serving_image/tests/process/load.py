"""Callers that ask all the time, and keep the ids of what they were told."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Caller:
    """What one caller has seen. `lost` holds requests that were sent and not answered."""

    answered: list[tuple[str, float]] = field(default_factory=list)
    refused: int = 0
    lost: list[str] = field(default_factory=list)


class Load:
    """Keep-alive connections, one thread each, from `start` until nobody listens any more."""

    def __init__(
        self, port: int, body: bytes, *, callers: int = 8, path: str, good: int = 200
    ) -> None:
        """`good` is the status of an answer; any other is a refusal."""
        self._port, self._body, self._path, self._good = port, body, path, good
        self.callers = [Caller() for _ in range(callers)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(caller,)) for caller in self.callers
        ]

    @property
    def answered(self) -> list[tuple[str, float]]:
        """Ids and when their answers came, by time.monotonic()."""
        return [told for caller in self.callers for told in caller.answered]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Until every caller has found that nobody listens, or was stopped."""
        for thread in self._threads:
            thread.join(60)

    def _ask(self, caller: Caller) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    return  # Nobody listens: nothing was asked.
            try:
                connection.request("POST", self._path, self._body)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                caller.lost.append(repr(error))
                return
            if response.status == self._good:
                caller.answered.append((response.headers["x-request-id"], time.monotonic()))
            else:
                caller.refused += 1
            if response.will_close:
                connection.close()
                connection = None


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """AssertionError when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
