"""What an autoscaler does to a model, as the API server shows it twice a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

from tests.cluster.deployment import Deployment
from tests.cluster.scaling.project import MODEL, Engine
from tests.support.kubernetes_client import ApiError, KubernetesClient

_PAUSE_SECONDS = 0.5


@dataclass
class Series:
    """A number over time: only its changes, each with seconds since 1970."""

    changes: list[tuple[float, int]] = field(default_factory=list)

    def add(self, at: float, value: int) -> None:
        if not self.changes or self.changes[-1][1] != value:
            self.changes.append((at, value))

    def at(self, moment: float) -> int:
        """The value at a moment after the first one seen."""
        return [value for at, value in self.changes if at <= moment][-1]

    def steps(self, start: float, end: float) -> list[tuple[float, int]]:
        """(moment, difference) of each change in a span of time."""
        pairs = zip(self.changes, self.changes[1:], strict=False)
        return [(at, value - before) for (_, before), (at, value) in pairs if start <= at < end]


@dataclass
class Pod:
    """When a pod was created and when it was ready first; both to the second, as the API has them."""

    created: float
    ready: float | None = None


class Watch:
    """Records until it is left: `replicas` are the Deployment's, `desired` the autoscaler's.

    `seen` are the values that the autoscaler had for its metric, each with its moment.
    """

    def __init__(self, deployment: Deployment, engine: Engine) -> None:
        cluster = deployment.cluster
        # A client's session is of one thread.
        self._client = KubernetesClient.from_kubeconfig(cluster.kubeconfig, cluster.context)
        self._namespace = engine.namespace
        self._bodies = [
            self._identity("apps/v1", "Deployment", MODEL),
            self._identity("autoscaling/v2", "HorizontalPodAutoscaler", engine.autoscaler),
        ]
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._look, name=f"watch of {engine.name}", daemon=True
        )
        self.replicas, self.desired = Series(), Series()
        self.pods: dict[str, Pod] = {}
        self.seen: list[tuple[float, float]] = []

    def _identity(self, version: str, kind: str, name: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self._namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:  # fmt: skip
        self._stop.set()
        self._thread.join(60)

    def rescales(self) -> int:
        """How many times the autoscaler itself says that it has changed the number of pods."""
        events = self._client.list_objects("v1", "Event", self._namespace)
        return sum(e.get("count") or 1 for e in events if e["reason"] == "SuccessfulRescale")

    def _look(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            try:
                self._look_once()
            except ApiError as error:  # The next look shows the same.
                print(f"watch of {self._namespace}: {error}", flush=True)

    def _look_once(self) -> None:
        workload, scaler = (self._client.get(body) for body in self._bodies)
        now = time.time()
        if workload is not None:
            self.replicas.add(now, workload["spec"]["replicas"])
        status = (scaler or {}).get("status", {})
        self.desired.add(now, status.get("desiredReplicas", 0))
        for metric in status.get("currentMetrics") or ():
            value = _current(metric)
            if value is not None and (not self.seen or self.seen[-1][1] != value):
                self.seen.append((now, value))
        for pod in self._client.list_objects(
            "v1", "Pod", self._namespace, {"app.kubernetes.io/name": MODEL}
        ):
            self._note(pod)

    def _note(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        known = self.pods.setdefault(metadata["uid"], Pod(_seconds(metadata["creationTimestamp"])))
        if known.ready is None:
            for condition in pod["status"].get("conditions", ()):
                if (condition["type"], condition["status"]) == ("Ready", "True"):
                    known.ready = _seconds(condition["lastTransitionTime"])


def _current(metric: dict[str, Any]) -> float | None:
    """The mean for each pod that the autoscaler has read."""
    found = (metric.get("pods") or metric.get("external") or {}).get("current", {})
    quantity = found.get("averageValue")
    if quantity is None:
        return None
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
