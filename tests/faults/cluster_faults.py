"""The faults that only a cluster has: memory, eviction, drain, deletion, roll-out, what is beside."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any

from tests.cluster.deployment import NAMESPACE
from tests.faults.cluster_stage import RATE, TOPIC, Stage, condition
from tests.faults.fault import Row, wait_until
from tests.faults.oracle import Outcome, judge

_BEFORE = 40
_ALLOCATE = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        held = bytearray(20 << 20)
        time.sleep(25)
        os._exit(0)
    time.sleep(0.05)
time.sleep(25)
"""
"""Many small processes: the kernel kills the largest of the container, which is the server."""
_FILL_TMP = "open('/tmp/filler', 'wb').write(bytes(200 << 20))"


class ClusterFault:
    """How to break and how to mend. `mend` returns when what was broken is whole again: it has to be
    so within `recovers_within` seconds."""

    row: Row
    recovers_within: float = 60.0

    def obstacle(self, stage: Stage) -> str | None:
        """Why this cluster cannot have the fault; None where it can."""
        return None

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        raise NotImplementedError

    def mend(self, stage: Stage) -> None:
        """Undo the break; nothing where the cluster mends itself."""

    def is_whole(self, stage: Stage) -> bool:
        """Whether the model has its pods again."""
        return len(stage.names()) >= 2


class ServerOutOfMemory(ClusterFault):
    row = Row("oom", "OOM kill of the server")

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        self._victim = sorted(stage.names())[0]
        stage.in_server(self._victim, _ALLOCATE)
        stage.wait("an OOM kill", lambda: self._was_killed(stage))

    def _was_killed(self, stage: Stage) -> bool:
        return any(
            status.get(state, {}).get("terminated", {}).get("reason") == "OOMKilled"
            for pod in stage.pods()
            if pod["metadata"]["name"] == self._victim
            for status in pod["status"].get("containerStatuses", [])
            for state in ("state", "lastState")
        )


class Evicted(ClusterFault):
    """A pod's /tmp outgrows its limit. The kubelet leaves an evicted pod a second, in which it answers
    on; what Filebeat has not shipped then goes with the pod."""

    row = Row("evicted", "eviction by ephemeral storage", may_lose=int(2 * RATE))
    recovers_within = 120.0

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        victim = sorted(stage.names())[0]
        stage.in_server(victim, _FILL_TMP)
        stage.wait("an eviction", lambda: victim not in stage.names())
        undo.callback(stage.kubectl, "delete", "pod", victim, "--ignore-not-found", "--wait=false")


class NodeDrained(ClusterFault):
    row = Row("drained", "node drain")
    recovers_within = 90.0

    def obstacle(self, stage: Stage) -> str | None:
        nodes = stage.kubectl("get", "nodes", "-o", "name").split()
        return "there is one node alone" if len(nodes) < 2 else None

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        first = "--selector=!node-role.kubernetes.io/control-plane"
        node = stage.kubectl("get", "nodes", first, "-o", "name").split()[0]
        undo.callback(stage.kubectl, "uncordon", node)
        stage.kubectl(
            "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s"
        )


class DeletedInBacklog(ClusterFault):
    """Kafka hangs, a pod with a backlog is deleted, and Kafka is back before its grace is over."""

    row = Row("deleted", "pod deletion during a backlog")

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        for broker in stage.kafka.brokers:
            broker.pause()
            undo.callback(broker.resume)
        time.sleep(3.0)
        stage.kubectl("delete", "pod", sorted(stage.names())[0], "--wait=false")
        time.sleep(10.0)

    def mend(self, stage: Stage) -> None:
        for broker in stage.kafka.brokers:
            broker.resume()

    def is_whole(self, stage: Stage) -> bool:
        return len(stage.names()) >= 2 and len(stage.deployment.pods()) == len(stage.names())


class RolledOutInOutage(ClusterFault):
    """The broker is gone when a roll-out begins, and is back before the old pods' grace is over."""

    row = Row("rolled-out", "roll-out during a broker outage")
    recovers_within = 150.0

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        for broker in stage.kafka.brokers:
            broker.kill()
        self._old = stage.names()
        stage.kubectl("rollout", "restart", "deployment/iris")
        stage.wait("a new pod", lambda: bool(stage.names() - self._old))
        time.sleep(5.0)

    def mend(self, stage: Stage) -> None:
        for broker in stage.kafka.brokers:
            broker.start()
        stage.kafka.wait_until_ready()

    def is_whole(self, stage: Stage) -> bool:
        there = {pod["metadata"]["name"] for pod in stage.deployment.pods()}
        return len(stage.names()) >= 2 and not there & self._old


class RegistryAway(ClusterFault):
    """MLflow is gone while one pod is replaced (its start) and one is added (scale-out).

    The kubelet starts their init containers again after 10, 20, 40 and 80 seconds.
    """

    row = Row("registry-away", "MLflow away at start and at scale-out")
    recovers_within = 240.0

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        stage.registry.stop()
        undo.callback(self._scale, stage, 2)
        kept, replaced = sorted(stage.names())
        self._scale(stage, 3)
        stage.kubectl("delete", "pod", replaced, "--wait=false")
        stage.wait("pods that wait", lambda: len(stage.names(ready=False) - {kept}) == 2)
        time.sleep(10.0)
        assert stage.names() == {kept}, "a pod serves without its artifact"

    def mend(self, stage: Stage) -> None:
        stage.registry.start()

    def is_whole(self, stage: Stage) -> bool:
        return len(stage.names()) >= 3

    @staticmethod
    def _scale(stage: Stage, fewest: int) -> None:
        patch = json.dumps({"spec": {"minReplicas": fewest}})
        stage.kubectl("patch", "hpa", "iris", "--type=merge", "-p", patch)


class MetricsServerAway(ClusterFault):
    """The autoscaler sees nothing: it must keep what there is, and go on when it sees again."""

    row = Row("metrics-away", "metrics-server away")
    recovers_within = 120.0

    def obstacle(self, stage: Stage) -> str | None:
        return None if stage.deployment.cluster.has_metrics else "nobody answers metrics.k8s.io"

    def break_(self, stage: Stage, undo: ExitStack) -> None:
        self._before = stage.names()
        undo.callback(self._scale, stage, 1)
        self._scale(stage, 0)
        stage.wait("an autoscaler that sees nothing", lambda: not self._sees(stage))
        time.sleep(5.0)
        assert stage.names() >= self._before, "the autoscaler has taken pods away"

    def mend(self, stage: Stage) -> None:
        self._scale(stage, 1)

    def is_whole(self, stage: Stage) -> bool:
        return self._sees(stage) and len(stage.names()) >= 2

    @staticmethod
    def _scale(stage: Stage, count: int) -> None:
        stage.deployment.kubectl(
            "-n", "kube-system", "scale", "deployment/metrics-server", f"--replicas={count}"
        )

    @staticmethod
    def _sees(stage: Stage) -> bool:
        scaler: dict[str, Any] = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "iris", "namespace": NAMESPACE},
        }
        found = stage.deployment.client.get(scaler) or {}
        return condition(found, "ScalingActive") == "True"


CLUSTER_FAULTS: tuple[ClusterFault, ...] = (
    ServerOutOfMemory(), Evicted(), NodeDrained(), DeletedInBacklog(), RolledOutInOutage(),
    RegistryAway(), MetricsServerAway(),
)  # fmt: skip


def run_on(stage: Stage, fault: ClusterFault) -> Outcome:
    """One run of a fault; the pods are as before afterwards."""
    with ExitStack() as undo:
        callers = undo.enter_context(stage.traffic())
        wait_until(lambda: callers.answered >= _BEFORE, "first answers")
        fault.break_(stage, undo)
        mended = time.time()
        fault.mend(stage)
        stage.wait("the pods", lambda: fault.is_whole(stage), fault.recovers_within + 60)
        whole = time.time()
        wait_until(lambda: callers.answered_after(mended) is not None, "new answers")
        callers.stop()
        good = {answer.id for answer in callers.answers if answer.status == 200}
        counted = stage.dropped()
        deadline = time.monotonic() + 30
        while True:
            messages = stage.kafka.read_timed(TOPIC)
            missing = good - {message.key for message in messages}
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(0.5)
    stage.wait("two pods", lambda: len(stage.names()) == 2, 300)
    return judge(fault.row.title, callers.answers, messages, counted, mended, whole)
