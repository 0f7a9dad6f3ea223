"""Waits as the official plugin does, after its provider/pkg/await.

It waits for the full timeout, whatever the object's own status says meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from tests.support.kubernetes_client import Body, KubernetesClient
from tests.support.kubernetes_provider.readiness import QUESTIONS

_POLL_SECONDS = 0.5
_DEFAULT_SECONDS = 600.0
_SKIP = "pulumi.com/skipAwait"


class NotReadyError(Exception):
    """The object is there, and is not ready. `reasons` are the plugin's words for why."""

    def __init__(self, message: str, reasons: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.reasons = list(reasons)


class Waiting:
    """The time that an operation has; it ends early where the engine cancels."""

    def __init__(self, timeout_seconds: float, cancelled: threading.Event) -> None:
        self._deadline = time.monotonic() + (timeout_seconds or _DEFAULT_SECONDS)
        self.cancelled = cancelled

    def goes_on(self) -> bool:
        """Wait a moment; whether there is time left."""
        if self.cancelled.wait(_POLL_SECONDS):
            return False
        return time.monotonic() < self._deadline


def wait_until_ready(client: KubernetesClient, body: Body, waiting: Waiting) -> None:
    """Return when the object is ready, at once for kinds that never get so. NotReadyError else."""
    missing = _question(body)
    name = body["metadata"]["name"]
    while reasons := missing(client, body):
        if not waiting.goes_on():
            if waiting.cancelled.is_set():
                raise NotReadyError(f'Resource operation was cancelled for "{name}"', reasons)
            raise NotReadyError(f"'{name}' timed out waiting to be Ready", reasons)


def check_ready(client: KubernetesClient, body: Body) -> None:
    """NotReadyError where a refresh finds an object that is not ready now."""
    if reasons := _question(body, settled=True)(client, body):
        name = body["metadata"]["name"]
        raise NotReadyError(f"Resource '{name}' was created but failed to initialize", reasons)


def wait_until_gone(client: KubernetesClient, body: Body, waiting: Waiting) -> None:
    """Return when the API no longer has the object. NotReadyError when it keeps it."""
    while client.get(body) is not None:
        if not waiting.goes_on():
            raise NotReadyError("timed out waiting for the condition")


def _question(
    body: Body, *, settled: bool = False
) -> Callable[[KubernetesClient, Body], list[str]]:
    """What is missing for this object to be ready."""
    make = QUESTIONS.get((body["apiVersion"], body["kind"]))
    if make is None or body["metadata"].get("annotations", {}).get(_SKIP) == "true":
        return lambda client, body: []
    return make(settled)
