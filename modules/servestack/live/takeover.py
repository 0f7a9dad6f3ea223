"""Moves a model's pods from a Deployment to a Rollout, or back, without a moment without pods.

Both kinds keep pods of their own, so what applies the new files would stop the old pods while the
new ones start, or before. Here the new object is made beside the old one, with as many pods, and
only when they serve is it time to apply. The new object belongs to the manager that applied the old
one, which then finds what it would have made itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from servestack.errors import ApplyError, Problem
from servestack.live.client import Cluster
from servestack.live.handover import MANAGER, is_ours
from servestack.live.judgement import POD_HASH, judge_rollout
from servestack.live.ownership import applying_manager
from servestack.live.rollout import see_rollout
from servestack.manifests.kinds import KINDS, WORKLOADS, Resource
from servestack.manifests.manifest import Body, Manifest
from servestack.manifests.names import selector_of
from servestack.manifests.shadow import SHADOW

_KUBECTL = "kubectl"
"""Who applies objects that nobody applied server-side yet."""
_POLL_SECONDS = 1.0
_ENDPOINT_SECONDS = 30
_ENDPOINT_SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
_OLD = {"Deployment": ("argoproj.io/v1alpha1", "Rollout"), "Rollout": ("apps/v1", "Deployment")}


@dataclass(frozen=True, slots=True)
class Takeover:
    """A workload that is declared, and the live one of the other kind whose pods it takes over."""

    new: Manifest
    old: Body

    @property
    def replicas(self) -> int:
        """The pods that callers have now."""
        return int(self.old["spec"].get("replicas", 1))

    @property
    def manager(self) -> str:
        """Who applied the old workload, and will apply the new one."""
        return applying_manager(self.old) or _KUBECTL


def takeovers(cluster: Cluster, manifests: Iterable[Manifest]) -> tuple[Takeover, ...]:
    """The workloads of ours that change their kind and do not exist yet. Raises ClusterError."""
    found = []
    for manifest in manifests:
        if manifest.kind not in WORKLOADS or manifest.concern == SHADOW:
            continue
        old = cluster.get(KINDS[_OLD[manifest.kind]], manifest.namespace, manifest.name)
        if old is None or not is_ours(old):
            continue
        kind = KINDS[manifest.api_version, manifest.kind]
        if cluster.get(kind, manifest.namespace, manifest.name) is None:
            found.append(Takeover(manifest, old))
    return tuple(found)


def before_pods(takeover: Takeover, manifests: Iterable[Manifest]) -> list[Manifest]:
    """What the new pods read, and the Services that only the new workload has."""
    own = _own(takeover, manifests)
    return [m for m in own if KINDS[m.api_version, m.kind].for_pods] + _sides(own)


def with_pods(takeover: Takeover, manifests: Iterable[Manifest]) -> list[Manifest]:
    """The workload. Before it the Ingress, if that leads to a Service of the workload's own: Argo
    Rollouts refuses a Rollout whose Ingress leads elsewhere."""
    own = _own(takeover, manifests)
    ways_in = [m for m in own if m.kind == "Ingress"] if _sides(own) else []
    return [*ways_in, takeover.new]


def _own(takeover: Takeover, manifests: Iterable[Manifest]) -> list[Manifest]:
    return [m for m in manifests if m.group == takeover.new.group and m.concern != SHADOW]


def _sides(own: Iterable[Manifest]) -> list[Manifest]:
    return [m for m in own if m.kind == "Service" and "selector" not in m.body["spec"]]


def start_beside(cluster: Cluster, takeover: Takeover, manifests: Sequence[Manifest]) -> None:
    """Make the new workload with as many pods as the old one has.

    Raises ClusterError, and ApplyError where its Service does not lead to the old pods meanwhile.
    """
    for manifest in before_pods(takeover, manifests):
        _apply(cluster, takeover, manifest)
    lead_to_old_pods(cluster, takeover)
    for manifest in with_pods(takeover, manifests):
        _apply(cluster, takeover, manifest)
    keep_count(cluster, takeover)


def _apply(cluster: Cluster, takeover: Takeover, manifest: Manifest) -> None:
    kind = KINDS[manifest.api_version, manifest.kind]
    live = cluster.get(kind, manifest.namespace, manifest.name)
    manager = applying_manager(live) or takeover.manager
    cluster.apply(kind, manifest.body, manager, force=True)


def lead_to_old_pods(cluster: Cluster, takeover: Takeover) -> None:
    """Let the Service that callers will get lead to the old pods, until the engine takes it.

    The engine leads it to the new pods once all of them serve, and then owns its selector.
    """
    new = takeover.new
    for service in _services(new.body):
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service, "namespace": new.namespace},
            "spec": {"selector": selector_of(new.name)},
        }
        cluster.apply(KINDS["v1", "Service"], body, MANAGER, force=True)
        deadline = time.monotonic() + _ENDPOINT_SECONDS
        while not _has_endpoints(cluster, new.namespace, service):
            if time.monotonic() > deadline:
                message = f"{new.name}: {service} leads to no pod after {_ENDPOINT_SECONDS} s"
                hint = "nothing that callers notice was changed; try again when its pods are ready"
                raise ApplyError(Problem("SRV549", message, hint=hint))
            time.sleep(_POLL_SECONDS)


def _has_endpoints(cluster: Cluster, namespace: str, service: str) -> bool:
    slices = cluster.list(_ENDPOINT_SLICE, namespace, f"kubernetes.io/service-name={service}") or []
    return any(
        (endpoint.get("conditions") or {}).get("ready")
        for each in slices
        for endpoint in each.get("endpoints") or []
    )


def keep_count(cluster: Cluster, takeover: Takeover) -> None:
    """Give the new workload as many pods as the old one has, where it declares no number."""
    new = takeover.new
    if "replicas" in new.body["spec"]:
        return
    name = {"name": new.name, "namespace": new.namespace}
    head = {"apiVersion": new.api_version, "kind": new.kind}
    body = {**head, "metadata": name, "spec": {"replicas": takeover.replicas}}
    cluster.apply(KINDS[new.api_version, new.kind], body, MANAGER, force=True)


def wait_until_serving(
    cluster: Cluster, takeover: Takeover, *, clock: Callable[[], float] = time.monotonic
) -> None:
    """Wait until all pods of the new workload serve. Raises ApplyError where they do not in time."""
    new = takeover.new
    spec = new.body["spec"]
    # As long as a rollout may take, and once more for the engine to lead the Services to the pods.
    seconds = 2 * int(spec.get("progressDeadlineSeconds", 600))
    deadline = clock() + seconds
    while not _is_serving(cluster, new):
        told = _refusal(cluster, new)
        if clock() > deadline or told:
            hint = f"the pods of the other kind still serve; `kubectl -n {new.namespace} describe "
            hint += f"{new.kind.lower()} {new.name}` says more, and deleting it takes back what was done"
            message = told or f"the new pods do not serve after {seconds} s"
            raise ApplyError(Problem("SRV549", f"{new.name}: {message}", hint=hint))
        time.sleep(_POLL_SECONDS)


def _refusal(cluster: Cluster, new: Manifest) -> str:
    """What the engine has against a Rollout; empty while it has nothing."""
    if new.kind == "Deployment":
        return ""
    live = cluster.get(KINDS[new.api_version, new.kind], new.namespace, new.name)
    judged = judge_rollout(live) if live is not None else None
    return judged.message if judged is not None and judged.state == "failed" else ""


def _is_serving(cluster: Cluster, new: Manifest) -> bool:
    if new.kind == "Deployment":
        seen = see_rollout(cluster, new.namespace, new.name)
        return seen is not None and seen.done
    live = cluster.get(KINDS[new.api_version, new.kind], new.namespace, new.name)
    if live is None or judge_rollout(live).state != "complete":
        return False
    # A Rollout is complete when it has the pods that it had to have, and it may get more at once.
    wanted = live["spec"].get("replicas", 1)
    return live["status"].get("availableReplicas", 0) >= wanted and all(
        _is_taken(cluster, new, side) for side in _services(new.body)
    )


def _services(rollout: Body) -> list[str]:
    """The Service that callers will get; none of a Deployment."""
    if rollout["kind"] == "Deployment":
        return []
    (strategy,) = rollout["spec"]["strategy"].values()
    stable = strategy.get("stableService") or strategy.get("activeService")
    return [stable] if stable else []


def _is_taken(cluster: Cluster, new: Manifest, service: str) -> bool:
    """Whether the engine leads a Service to the new pods."""
    live = cluster.get(KINDS["v1", "Service"], new.namespace, service) or {}
    return POD_HASH in (live.get("spec", {}).get("selector") or {})
