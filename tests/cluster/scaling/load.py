"""Requests that come by chance at a mean rate, whoever answers: an open loop."""

from __future__ import annotations

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import urllib3

CALLERS = 400
_TIMEOUT_SECONDS = 30.0
_MOST_REQUESTS = 200_000


@dataclass(frozen=True)
class Request:
    """A request that was sent, by seconds since 1970, and what came of it: `error` is empty for 200."""

    id: str
    sent: float
    seconds: float
    error: str


class PoissonLoad:
    """POST `body` at `rate` requests a second, with exponentially distributed gaps, never again.

    `rate` may be changed at any moment. It never sends more than 200,000 requests, nor for longer
    than `most_seconds`, and has at most 400 open. `late` counts those that found no free caller in
    time, so that an overloaded loop shows.
    """

    def __init__(
        self, url: str, host: str, body: bytes, *, rate: float, most_seconds: float, seed: int
    ) -> None:
        self._url, self._body = url, body
        self._headers = {"Content-Type": "application/json", "Host": host}
        self._chance = random.Random(seed)
        self._rate = rate
        self._ends = time.monotonic() + most_seconds
        self._pool = urllib3.PoolManager(
            maxsize=CALLERS, retries=False, timeout=_TIMEOUT_SECONDS, block=True
        )
        self._open = threading.BoundedSemaphore(CALLERS)
        self._woken, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._send_all, name=f"load of {host}", daemon=True)
        self.requests: list[Request] = []
        self.late = 0

    def __enter__(self) -> PoissonLoad:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:  # fmt: skip
        self.stop()

    def change(self, rate: float) -> None:
        """From now on that many requests a second. A gap has no memory: the next is drawn anew."""
        self._rate = rate
        self._woken.set()

    def stop(self) -> None:
        """Send no more, and return when every caller has its answer."""
        self._stopped = True
        self._woken.set()
        self._thread.join(2 * _TIMEOUT_SECONDS)

    def _send_all(self) -> None:
        with ThreadPoolExecutor(CALLERS) as callers:
            due = time.monotonic()
            for _ in range(_MOST_REQUESTS):
                due += self._chance.expovariate(self._rate)
                while self._woken.wait(max(0.0, due - time.monotonic())):
                    self._woken.clear()
                    if self._stopped:
                        return
                    due = time.monotonic() + self._chance.expovariate(self._rate)
                if due > self._ends:
                    return
                if not self._open.acquire(blocking=False):
                    self.late += 1
                    self._open.acquire()
                callers.submit(self._ask).add_done_callback(lambda _: self._open.release())

    def _ask(self) -> None:
        own = str(uuid.uuid4())
        sent, began = time.time(), time.perf_counter()
        try:
            answer = self._pool.request(
                "POST", self._url, body=self._body, headers=self._headers | {"X-Request-Id": own}
            )
            error = "" if answer.status == 200 else f"{answer.status} {answer.data[:200]!r}"
        except urllib3.exceptions.HTTPError as problem:
            error = f"{type(problem).__name__}: {problem}"
        self.requests.append(Request(own, sent, time.perf_counter() - began, error))
