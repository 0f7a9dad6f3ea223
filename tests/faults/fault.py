"""A fault of processes, and one run of it: break, mend, wait, ask Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from serving_image.tests.support.iris import COLUMNS, Iris

from servestack.manifests.assemble import build_manifests
from servestack.manifests.manifest import Body
from tests.faults.oracle import Outcome, judge
from tests.faults.pod import Pod, Secrets
from tests.faults.traffic import Traffic
from tests.support.kafka import USERNAME, KafkaCluster
from tests.support.services import merged, resolved

RATE = 80.0
"""Requests a second to each pod: several rows run side by side on two cores."""
_BEFORE = 100
_WAIT_SECONDS = 120.0
SMALL_BUDGET = {"diskBudget": "4Mi", "maxEvent": "256Ki"}
MANY_ROWS = 250
"""An event of some 10 kB: the budget lasts for seconds, not for an hour."""
SECURITY: dict[str, Any] = {
    "protocol": "SASL_SSL",
    "credentials": {"secret": "kafka"},
    "ca": {"secret": "kafka-ca", "key": "ca.crt"},
}
SPEC: dict[str, Any] = {"shutdown": {"drainSeconds": 1}}
"""A shorter wait for proxies than the default: here is none."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a pod of its own under the fault.

    `spec` is laid over a spec of two lines. `rows` is the number of rows of each request. `may_drop`
    says that the policy allows events to be dropped, if they are counted. `may_lose` is how many may
    be lost uncounted, where Kubernetes gives a pod no time to ship what it has just written.
    """

    name: str
    title: str
    spec: dict[str, Any] = field(default_factory=dict)
    rows: int = 1
    may_drop: bool = False
    may_lose: int = 0


@dataclass
class Scene:
    """What a fault can break: the brokers, and a pod with its callers for each of its rows.

    `seconds` is how long the fault lasts. `disks` has a disk for a row that gets one of its own.
    `undo` is called when the run is over.
    """

    kafka: KafkaCluster
    folder: Path
    seconds: float
    secrets: Secrets
    disks: dict[str, Path] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    traffic: list[Traffic] = field(default_factory=list)
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def pod(self) -> Pod:
        """The pod of a fault with one row."""
        (pod,) = self.pods
        return pod


class Fault:
    """How to break and how to mend; a subclass for each.

    `seconds` is how long the fault lasts in `make faults`, `short` in CI. `breaks_brokers` says that
    nothing else may run on these brokers. It has to be over `recovers_within` seconds after the mend.
    """

    rows: tuple[Row, ...]
    seconds: float = 5.0
    short: float = 2.0
    breaks_brokers: bool = False
    recovers_within: float = 20.0
    obstacle: Callable[[], str | None] = staticmethod(lambda: None)

    def arrange(self, scene: Scene) -> None:
        """Before the pods start."""

    def break_(self, scene: Scene) -> None:
        raise NotImplementedError

    def mend(self, scene: Scene) -> float | None:
        """Nothing where it mends itself. Returns when it was mended, in seconds since 1970, if that
        took time; None where it is mended at once."""
        return None

    def also_mended(self, scene: Scene) -> float:
        """When what is neither pod nor broker was whole again, in seconds since 1970; waits."""
        return 0.0


def run(
    fault: Fault, kafka: KafkaCluster, iris: Iris, folder: Path, number: int, seconds: float
) -> list[Outcome]:
    """One run, the `number`th of this fault on these brokers; an outcome for each of its rows."""
    secrets = {
        "kafka": {"username": USERNAME, "password": kafka.password},
        "kafka-ca": {"ca.crt": kafka.ca.read_text()},
    }
    scene = Scene(kafka, folder, seconds, secrets)
    with scene.undo:
        fault.arrange(scene)
        for row in fault.rows:
            _start(row, f"{row.name}-{number}", scene, iris)
        for callers in scene.traffic:
            wait_until(partial(_has_answers, callers), "first answers")
        fault.break_(scene)
        time.sleep(seconds)
        at_once = time.time()
        mended = fault.mend(scene) or at_once
        for callers in scene.traffic:
            wait_until(partial(callers.answered_after, mended), "new answers")
        also_mended = fault.also_mended(scene)
        time.sleep(1.0)
        for callers in scene.traffic:
            callers.stop()
        return [
            _judged(row, scene, pod, callers, mended, also_mended)
            for row, pod, callers in zip(fault.rows, scene.pods, scene.traffic, strict=True)
        ]


def _start(row: Row, name: str, scene: Scene, iris: Iris) -> None:
    """Topics, a pod and its callers for one row, under a name of its own."""
    scene.kafka.create_topics(name)
    scene.undo.callback(_forget_topics, scene.kafka, name)
    bodies = rendered(scene.folder / name, name, row.spec, scene.kafka)
    pod = Pod(
        scene.folder / name, bodies, secrets=scene.secrets, model=iris.folder,
        disk=scene.disks.get(row.name),
    )  # fmt: skip
    scene.pods.append(scene.undo.enter_context(pod))
    body = json.dumps([iris.rows[n % len(iris.rows)] for n in range(row.rows)]).encode()
    scene.traffic.append(scene.undo.enter_context(Traffic(pod.url, body, rate=RATE)))


def _forget_topics(kafka: KafkaCluster, name: str) -> None:
    with suppress(KafkaException):  # Brokers that are still broken are told by the run itself.
        kafka.delete_topics(name)


def _has_answers(callers: Traffic) -> bool:
    return callers.answered >= _BEFORE


def _judged(
    row: Row, scene: Scene, pod: Pod, callers: Traffic, mended: float, also_mended: float
) -> Outcome:
    """Stop the pod as the kubelet does once the backlog is shipped, and read the topic."""
    wait_until(lambda: pod.unshipped_bytes() == 0, f"the backlog of {pod.name}")
    counted = pod.dropped()
    if not pod.stop():
        raise RuntimeError(f"{pod.name}: the drain gave up\n{pod.said('filebeat')}")
    messages = scene.kafka.read_timed(f"servestack.{pod.name}.predictions")
    return judge(row.title, callers.answers, messages, counted, mended, also_mended)


def rendered(folder: Path, name: str, spec: Mapping[str, Any], kafka: KafkaCluster) -> list[Body]:
    """The manifests of a model of this name whose events go to these brokers."""
    service = resolved(
        folder / "project",
        merged(merged(SPEC, dict(spec)), {"name": name, "artifact": f"models:/{name}@production"}),
        {
            "namespace": "faults",
            "kafka": {"brokers": list(kafka.addresses), "security": SECURITY},
        },
        {
            "signature": {
                "inputs": [{"name": n, "type": "double", "required": True} for n in COLUMNS]
            }
        },
    )
    return [m.body for m in build_manifests(service.environment, "stacks/prod.yaml", [service])]


def problems(recovers_within: float, row: Row, outcome: Outcome) -> list[str]:
    """What the outcome breaks of what is promised; empty where all of it holds."""
    found = []
    spared = outcome.lost <= outcome.runs * row.may_lose
    if outcome.lost != outcome.counted and not spared:
        found.append(f"{outcome.lost} events are missing, {outcome.counted} are counted as dropped")
    if outcome.lost and not row.may_drop and not spared:
        found.append(f"{outcome.lost} of {outcome.answered} answers have no event")
    if outcome.torn:
        found.append(f"{outcome.torn} messages are no whole event")
    if outcome.seconds > recovers_within:
        found.append(f"recovered after {outcome.seconds:.1f} s, not {recovers_within:.0f} s")
    return [f"{row.title}: {problem}" for problem in found]


def wait_until(is_so: Callable[[], object], what: str, seconds: float = _WAIT_SECONDS) -> None:
    """TimeoutError, which names what did not come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
