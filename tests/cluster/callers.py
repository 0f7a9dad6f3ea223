"""Callers who go on asking while something is done to the servers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType

import requests

from tests.cluster.deployment import ROW, Deployment

_CALLERS = 4
_PAUSE_SECONDS = 0.05


class Callers:
    """A few threads that send requests through the ingress, half of them on kept connections.

    `versions` counts the answers by the model's version; `failures` holds what was not answered 200.
    """

    def __init__(self, deployment: Deployment, *, pause: float = _PAUSE_SECONDS) -> None:
        self._deployment, self._pause = deployment, pause
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number % 2 == 0,), daemon=True)
            for number in range(_CALLERS)
        ]
        self._lock = threading.Lock()
        self.versions: Counter[str] = Counter()
        self.failures: list[str] = []
        self._last: dict[str, float] = {}

    @property
    def sent(self) -> int:
        return sum(self.versions.values()) + len(self.failures)

    def until_only(self, version: str, quiet_seconds: float = 2.0) -> float:
        """Wait until no other version has answered for so long; when the last one did, by the
        monotonic clock."""
        while True:
            with self._lock:
                last = max(
                    (at for other, at in self._last.items() if other != version), default=0.0
                )
            if time.monotonic() - last > quiet_seconds:
                return last
            time.sleep(0.1)

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:  # fmt: skip
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, keeps: bool) -> None:
        kept = requests.Session() if keeps else None
        while not self._stop.is_set():
            try:
                answer = self._deployment.post("/v1/iris/predict", ROW, kept)
                told = "" if answer.status_code == 200 else f"{answer.status_code} {answer.text}"
                version = answer.json()["version"] if not told else ""
            except requests.RequestException as error:
                told, version = f"{type(error).__name__}: {error}", ""
            with self._lock:
                if told:
                    self.failures.append(told[:300])
                else:
                    self.versions[version] += 1
                    self._last[version] = time.monotonic()
            self._stop.wait(self._pause)
