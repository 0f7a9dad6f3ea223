"""Waits as Pulumi's own plugin does: until a Deployment is rolled out, until an object is gone."""

from __future__ import annotations

import time
from typing import Any

from tests.support.kubernetes_client import ApiError, Body, KubernetesClient

_POLL_SECONDS = 0.5
_GONE_SECONDS = 120


def wait_until_rolled_out(client: KubernetesClient, deployment: Body) -> None:
    """Return when every pod is of the new version and available. ApiError with the pods' reasons
    when the Deployment's own progress deadline is over."""
    while True:
        live = client.get(deployment)
        if live is None:
            raise ApiError("was deleted while it was rolled out")
        status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
        if status.get("observedGeneration", 0) >= live["metadata"]["generation"]:
            if _condition(live, "Progressing").get("reason") == "ProgressDeadlineExceeded":
                raise ApiError(f"was not rolled out in time: {_reasons(client, live)}")
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]  # fmt: skip
            if counts == [wanted] * 3:
                return
        time.sleep(_POLL_SECONDS)


def wait_until_gone(client: KubernetesClient, body: Body) -> None:
    """Return when the API no longer has the object. ApiError when it keeps it."""
    deadline = time.monotonic() + _GONE_SECONDS
    while client.get(body) is not None:
        if time.monotonic() > deadline:
            raise ApiError(f"is still there after {_GONE_SECONDS} s")
        time.sleep(_POLL_SECONDS)


def _condition(live: Body, kind: str) -> Body:
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == kind:
            found: Body = condition
            return found
    return {}


def _reasons(client: KubernetesClient, deployment: Body) -> str:
    """What the pods that are not ready say of themselves."""
    labels = deployment["spec"]["selector"]["matchLabels"]
    namespace = deployment["metadata"]["namespace"]
    told: list[str] = []
    for pod in client.list_objects("v1", "Pod", namespace, labels):
        status = pod.get("status", {})
        for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):  # fmt: skip
            told += _words_of(container)
    return "; ".join(dict.fromkeys(told)) or "its pods say nothing"


def _words_of(container: Body) -> list[str]:
    words = []
    for state in (container.get("state", {}), container.get("lastState", {})):
        for kind in ("terminated", "waiting"):
            seen: dict[str, Any] = state.get(kind, {})
            message = seen.get("message", "").strip().rpartition("\n")[2]
            if message and not message.startswith("back-off"):
                words.append(f"{container['name']}: {message}")
    return words
