"""Requests at a steady rate, whoever answers: an open loop, whose callers remember what they read."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import urllib3

CALLERS = 32
_TIMEOUT_SECONDS = 30.0
_MOST_REQUESTS = 60_000
_MOST_SECONDS = 600.0


@dataclass(frozen=True)
class Answer:
    """What a caller has read: the status, or 0 where no whole answer came.

    `sent` and `read` are seconds since 1970, as Kafka's timestamps are.
    """

    id: str
    status: int
    sent: float
    read: float


class Traffic:
    """POST `body` to `url` `rate` times a second, each time under an id of its own.

    Never more than 127.0.0.1 can stand: at most 32 requests are open, 60,000 are sent, and after
    ten minutes it ends by itself. With `retries` a caller asks again, under the same id, when it has
    got no answer or a 502, 503 or 504; `failed` then counts those that gave up, and `refused` every
    attempt that was not answered 200.
    """

    def __init__(
        self, url: str, body: bytes, *, rate: float, headers: Mapping[str, str] | None = None,
        retries: int = 0,
    ) -> None:  # fmt: skip
        self._url, self._body, self._pause, self._retries = url, body, 1 / rate, retries
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._pool = urllib3.PoolManager(
            maxsize=CALLERS, retries=False, timeout=_TIMEOUT_SECONDS, block=True
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="traffic", daemon=True)
        self.answers: list[Answer] = []
        self.refused = 0

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:  # fmt: skip
        self.stop()

    def stop(self) -> None:
        """Send no more, and return when every caller has its answer."""
        self._stop.set()
        self._thread.join(2 * _TIMEOUT_SECONDS)

    @property
    def answered(self) -> int:
        """How many requests were answered 200 so far."""
        return sum(answer.status == 200 for answer in list(self.answers))

    def answered_after(self, moment: float) -> float | None:
        """When the first 200 was read of a request that was sent after this moment."""
        read = [a.read for a in list(self.answers) if a.status == 200 and a.sent >= moment]
        return min(read, default=None)

    def _send_all(self) -> None:
        begun = due = time.monotonic()
        open_requests = threading.BoundedSemaphore(CALLERS)
        with ThreadPoolExecutor(CALLERS) as callers:
            for _ in range(_MOST_REQUESTS):
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                if time.monotonic() - begun > _MOST_SECONDS:
                    return
                # When all callers wait, those that come later wait for a place, as at a gateway.
                open_requests.acquire()
                callers.submit(self._ask).add_done_callback(lambda _: open_requests.release())
                due += self._pause

    def _ask(self) -> None:
        own = str(uuid.uuid4())
        sent = time.time()
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(0.2 * attempt)
            status = self._post(own)
            if status == 200:
                break
            self.refused += 1
            if status not in (0, 502, 503, 504):
                break
        self.answers.append(Answer(own, status, sent, time.time()))

    def _post(self, own: str) -> int:
        try:
            answer = self._pool.request(
                "POST", self._url, body=self._body, headers=self._headers | {"X-Request-Id": own}
            )
        except urllib3.exceptions.HTTPError:
            return 0
        return answer.status
