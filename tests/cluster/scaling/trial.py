"""A step of the load from 1x to 5x under both engines at once, with a steady load before and after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.cluster.deployment import ROW, Deployment
from tests.cluster.scaling.load import PoissonLoad, Request
from tests.cluster.scaling.project import ENGINES, MODEL, Engine
from tests.cluster.scaling.watch import Watch

RATE = 6.2
"""Requests a second at 1x for each engine. A request takes 1.5 calls of the model, because it waits
for half of the call before its own: 2.8 in flight at 1x, for one pod of at most four, and 14 at 5x, for
four pods. So neither load lies where chance decides about a pod."""
TIMES = 5
SETTLE_SECONDS = 45
"""Until the rate's window is full, and the autoscaler has looked."""
_FIRST_VALUE_SECONDS = 240
ANSWER_SECONDS = 90
"""After a step until the load counts as steady: two windows of the rate, and the last pod's start."""
_KAFKA_SECONDS = 60


@dataclass(frozen=True)
class Times:
    """Moments in seconds since 1970."""

    steady: float
    step: float
    steady_again: float
    end: float


@dataclass(frozen=True)
class Outcome:
    """What was seen of one engine. `rescales` is the number of changes that the autoscaler reports."""

    engine: Engine
    times: Times
    watch: Watch
    requests: list[Request]
    late: int
    rescales: int
    without_event: int

    @property
    def failed(self) -> list[Request]:
        return [request for request in self.requests if request.error]

    def in_flight(self, start: float, end: float) -> float:
        """The mean number in flight that the callers had: by Little's law the seconds of the requests
        that were sent in a span, over its length."""
        return sum(r.seconds for r in self.requests if start <= r.sent < end) / (end - start)

    def scale_events(self) -> tuple[int, int]:
        """Changes of the Deployment's replicas at the steady load before the step, and after it."""
        replicas, times = self.watch.replicas, self.times
        before = replicas.steps(times.steady, times.step)
        return len(before), len(replicas.steps(times.steady_again, times.end))

    def turns(self) -> int:
        """How often pods were removed, although the load never fell."""
        steps = self.watch.replicas.steps(self.times.steady, self.times.end)
        return sum(difference < 0 for _, difference in steps)

    def desired_after(self) -> float | None:
        """Seconds from the step until the autoscaler's status shows a higher number."""
        step = self.times.step
        rises = [at for at, up in self.watch.desired.steps(step, self.times.end) if up > 0]
        return rises[0] - step if rises else None

    def created_after(self) -> list[float]:
        """Seconds from the step until each further pod was created, ascending."""
        step = self.times.step
        return sorted(p.created - step for p in self.watch.pods.values() if p.created >= step)

    def ready_after(self) -> list[float]:
        """The same until each was ready."""
        step = self.times.step
        return sorted(
            pod.ready - step
            for pod in self.watch.pods.values()
            if pod.created >= step and pod.ready is not None
        )


def run_trial(
    deployment: Deployment, steady_seconds: float, tell: Callable[[str], None]
) -> list[Outcome]:
    """Both environments are applied, with a pod each."""
    most = _FIRST_VALUE_SECONDS + SETTLE_SECONDS + ANSWER_SECONDS + 2 * steady_seconds
    with ExitStack() as stack:
        watches = [stack.enter_context(Watch(deployment, engine)) for engine in ENGINES]
        loads = [
            stack.enter_context(
                PoissonLoad(
                    f"{deployment.cluster.ingress}/v1/{MODEL}/predict", engine.host,
                    json.dumps(ROW).encode(), rate=RATE, most_seconds=most, seed=number,
                )
            )
            for number, engine in enumerate(ENGINES)
        ]  # fmt: skip
        tell(f"1x, {RATE:.0f} requests a second to each engine's model")
        for engine, watch in zip(ENGINES, watches, strict=True):
            what = f"a value for the autoscaler of {engine.name}"
            deployment.wait(what, lambda: watch.seen, _FIRST_VALUE_SECONDS)  # noqa: B023
        _sleep(SETTLE_SECONDS, watches, tell)
        steady = time.time()
        _sleep(steady_seconds, watches, tell)
        step = time.time()
        for load in loads:
            load.change(TIMES * RATE)
        tell(f"{TIMES}x")
        _sleep(ANSWER_SECONDS, watches, tell)
        steady_again = time.time()
        _sleep(steady_seconds, watches, tell)
        times = Times(steady, step, steady_again, time.time())
        for load in loads:
            load.stop()
        rescales = [watch.rescales() for watch in watches]
    found = _events(deployment, {r.id for load in loads for r in load.requests if not r.error})
    return [
        Outcome(
            engine, times, watch, load.requests, load.late, told,
            sum(not r.error and r.id not in found for r in load.requests),
        )
        for engine, watch, load, told in zip(ENGINES, watches, loads, rescales, strict=True)
    ]  # fmt: skip


def _sleep(seconds: float, watches: list[Watch], tell: Callable[[str], None]) -> None:
    """Sleep, and say every half minute what there is."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(30.0, left))
        tell(
            "; ".join(
                f"{watch.replicas.changes[-1][1]} pods, {watch.seen[-1][1]:.2f} in flight in each"
                if watch.seen
                else "no value yet"
                for watch in watches
            )
        )


def _events(deployment: Deployment, answered: set[str]) -> set[str]:
    """The ids that Kafka has, once it has all that were answered, or a minute later."""
    deadline = time.monotonic() + _KAFKA_SECONDS
    while True:
        found = {key for key, _ in deployment.kafka.read(f"servestack.{MODEL}.predictions")}
        if answered <= found or time.monotonic() > deadline:
            return found
        time.sleep(2)
