"""Which rollouts fail, why, and what serves meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from servestack.live.client import Cluster
from servestack.live.judgement import POD_HASH, condition, judge_deployment
from servestack.manifests.kinds import KINDS, Resource
from servestack.manifests.manifest import Body
from servestack.manifests.marks import VERSION_LABEL
from servestack.secrets.search import masked_value

_DEPLOYMENT = KINDS["apps/v1", "Deployment"]
_REPLICA_SET = Resource("apps/v1", "ReplicaSet", "replicasets")
_POD = Resource("v1", "Pod", "pods")
_REVISION = "deployment.kubernetes.io/revision"
_LAST_LINES = 5
_STARTS = ("ContainerCreating", "PodInitializing")


@dataclass(frozen=True)
class Rollout:
    """The rollout of a Deployment's newest version.

    `generation` is that of the spec. `done` and `exceeded` are what the controller reports for
    exactly that generation: every pod is new and available, or the progress deadline has passed.
    `reasons` say why pods are not ready, each with the container and its last log lines.
    `serving` has the version of every ready pod.
    """

    model: str
    version: str
    generation: int
    deadline_seconds: int
    done: bool
    exceeded: bool
    reasons: tuple[str, ...]
    serving: tuple[str, ...]


def see_rollout(cluster: Cluster, namespace: str, model: str) -> Rollout | None:
    """The current rollout of a model; None if it has no Deployment. Raises ClusterError."""
    live = cluster.get(_DEPLOYMENT, namespace, model)
    if live is None:
        return None
    pods = pods_of(cluster, namespace, live, live["spec"]["selector"]["matchLabels"])
    judged = judge_deployment(live)
    status, generation = live.get("status", {}), live["metadata"]["generation"]
    is_seen = status.get("observedGeneration", 0) >= generation
    late = condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    reasons = pods.reasons(cluster) if judged.state != "complete" else ()
    return Rollout(
        model,
        live["spec"]["template"]["metadata"]["labels"].get(VERSION_LABEL, ""),
        generation,
        live["spec"].get("progressDeadlineSeconds", 600),
        judged.state == "complete",
        is_seen and late,
        tuple(dict.fromkeys((*reasons, *judged.reasons))),
        pods.serving,
    )


@dataclass(frozen=True)
class Pods:
    """The pods of a workload, and those among them that are of its newest template."""

    namespace: str
    all: tuple[Body, ...]
    new: tuple[Body, ...]

    @property
    def serving(self) -> tuple[str, ...]:
        """The version of every ready pod."""
        return tuple(
            pod["metadata"]["labels"].get(VERSION_LABEL, "")
            for pod in self.all
            if condition(pod.get("status", {}), "Ready").get("status") == "True"
            and "deletionTimestamp" not in pod["metadata"]
        )

    def reasons(self, cluster: Cluster) -> tuple[str, ...]:
        """Why new pods are not ready, each reason once."""
        told = (reason for pod in self.new for reason in _reasons(cluster, self.namespace, pod))
        return tuple(dict.fromkeys(told))


def pods_of(cluster: Cluster, namespace: str, live: Body, labels: dict[str, str]) -> Pods:
    """The pods of a Deployment or of Argo's Rollout, by the labels that it selects them by.

    Raises ClusterError.
    """
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    if live.get("kind") == "Rollout":
        label, newest = POD_HASH, {live.get("status", {}).get("currentPodHash", "")}
    else:
        revision = live["metadata"].get("annotations", {}).get(_REVISION)
        label = "pod-template-hash"
        newest = {
            item["metadata"]["labels"].get(label)
            for item in cluster.list(_REPLICA_SET, namespace, selector) or []
            if item["metadata"].get("annotations", {}).get(_REVISION) == revision
        }
    pods = tuple(cluster.list(_POD, namespace, selector) or ())
    new = tuple(pod for pod in pods if pod["metadata"]["labels"].get(label) in newest)
    return Pods(namespace, pods, new)


def _reasons(cluster: Cluster, namespace: str, pod: Body) -> Iterator[str]:
    """Why a pod is not ready. Without the names of pods, so that equal reasons appear once."""
    status = pod.get("status", {})
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"the pod cannot be scheduled: {scheduled.get('message', scheduled.get('reason', ''))}"
    initial = status.get("initContainerStatuses") or []
    for container in initial + (status.get("containerStatuses") or []):
        state, last = container.get("state", {}), container.get("lastState", {})
        waiting = state.get("waiting", {})
        ended = state.get("terminated") or last.get("terminated") or {}
        if ended and ended.get("exitCode", 0) != 0:
            yield _ended(container["name"], ended)
        elif waiting and waiting.get("reason") not in _STARTS:
            words = " ".join(masked_value(waiting.get("message", "")).split())
            yield f"{container['name']}: {waiting.get('reason')}: {words}".rstrip(": ")
        elif (
            "running" in state and not container.get("ready") and container.get("started") is False
        ):
            log = cluster.log(namespace, pod["metadata"]["name"], container["name"], _LAST_LINES)
            yield _with_lines(f"{container['name']}: runs but is not ready", log)


def _ended(step: str, ended: Body) -> str:
    by_kernel = ended.get("reason") == "OOMKilled"
    how = "killed, out of memory" if by_kernel else f"exited with {ended.get('exitCode')}"
    return _with_lines(f"{step}: {how}", ended.get("message", ""))


def _with_lines(head: str, text: str) -> str:
    # What a pod prints may hold what it was given.
    lines = [line.rstrip() for line in masked_value(text).strip().splitlines() if line.strip()]
    return "\n".join([head, *(f"  {line}" for line in lines[-_LAST_LINES:])])
