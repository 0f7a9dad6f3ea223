"""What a Deployment, a Service or an Ingress lacks to be ready, in the official plugin's words.

After deployment.go, service.go and ingress.go in its provider/pkg/await.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.support.kubernetes_client import Body, KubernetesClient

_SETTLE_SECONDS = 10.0
"""How long a Service's endpoints have to stay as they are."""
_REVISION = "deployment.kubernetes.io/revision"
_UNREMARKABLE = ("ContainerCreating", "PodInitializing")
_NO_TARGETS = (
    "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' "
    "may not match labels on any Pods"
)
_NO_ADDRESS = (
    "Ingress .status.loadBalancer field was not updated with a hostname/IP address. "
    "\n    for more information about this error, see https://pulumi.io/xdv72s"
)
_NO_ENDPOINTS = "Ingress has at least one rule with an unavailable target endpoint."
Question = Callable[[KubernetesClient, Body], list[str]]


def _of_deployment(client: KubernetesClient, body: Body) -> list[str]:
    live = client.get(body) or body
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 1)
    keys = ("availableReplicas", "replicas", "updatedReplicas", "readyReplicas")
    available, *counts = [status.get(key, 0) for key in keys]
    seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 1)
    if seen and [available, *counts] == [wanted] * 4:
        return []
    reasons = [
        f"[{condition.get('reason', '')}] {condition.get('message', '')}"
        for condition in status.get("conditions", [])
        if condition["type"] in ("Available", "Progressing") and condition["status"] != "True"
    ]
    if available < wanted:
        reasons.append("Minimum number of live Pods was not attained")
    else:
        reasons.append(
            "Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not "
            "become live"
        )
    return reasons + [words for pod in _newest_pods(client, live) for words in _of_pod(pod)]


def _newest_pods(client: KubernetesClient, live: Body) -> list[Body]:
    """The pods of the revision that is being rolled out."""
    namespace, labels = live["metadata"]["namespace"], live["spec"]["selector"]["matchLabels"]
    revision = live["metadata"].get("annotations", {}).get(_REVISION)
    owners = {
        found["metadata"]["uid"]
        for found in client.list_objects("apps/v1", "ReplicaSet", namespace, labels)
        if found["metadata"].get("annotations", {}).get(_REVISION) == revision
    }
    pods = client.list_objects("v1", "Pod", namespace, labels)
    return [
        pod
        for pod in pods
        if owners & {owner["uid"] for owner in pod["metadata"].get("ownerReferences", [])}
    ]


def _of_pod(pod: Body) -> list[str]:
    """The conditions that do not hold, and what its containers say."""
    status, metadata = pod.get("status", {}), pod["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    said: list[str] = []
    for condition in status.get("conditions", []):
        if condition["type"] in ("PodScheduled", "Initialized", "Ready"):
            if condition["status"] == "True" or not condition.get("message"):
                continue
            kind = {"Initialized": "initContainerStatuses", "Ready": "containerStatuses"}
            containers = status.get(kind.get(condition["type"], ""), [])
            details = "".join(f" -- {words}" for c in containers for words in _of_container(c))
            said.append(f"[Pod {name}]: {condition['message']}{details}")
            if condition["type"] != "Ready":
                break
    return said


def _of_container(container: Body) -> list[str]:
    state: dict[str, Any] = container.get("state", {})
    waiting, ended = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason") not in _UNREMARKABLE:
        return [f"[{waiting.get('reason', '')}] {waiting.get('message', '')}".strip()]
    if ended and ended.get("exitCode"):
        words = ended.get("message") or (
            f'Container "{container["name"]}" completed with exit code {ended["exitCode"]}'
        )
        return [f"[{ended.get('reason', '')}] {words}".strip()]
    return []


class _OfService:
    """Its endpoints exist, none is unready, and they have stayed so for a while."""

    def __init__(self, settled: bool) -> None:
        self._settled = settled
        self._seen: Any = None
        self._since = time.monotonic()

    def __call__(self, client: KubernetesClient, body: Body) -> list[str]:
        live = client.get(body) or body
        spec = live["spec"]
        if spec.get("type") == "LoadBalancer" and not _addresses(live):
            return [
                "Service was not allocated an IP address; does your cloud provider support this?"
            ]
        if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
            return []
        if not spec.get("selector"):
            return []
        found = client.get({"apiVersion": "v1", "kind": "Endpoints", "metadata": _name(body)})
        subsets = (found or {}).get("subsets") or []
        if subsets != self._seen:
            self._seen, self._since = subsets, time.monotonic()
        settled = self._settled or time.monotonic() - self._since >= _SETTLE_SECONDS
        pending = any(subset.get("notReadyAddresses") for subset in subsets)
        if found is not None and settled and not pending:
            return []
        # As in the official plugin: Services whose pods are all gone are told, not waited for.
        return [_NO_TARGETS] if not any(s.get("addresses") for s in subsets) else ["settling"]


class _OfIngress:
    """A controller has given it an address; its Services' endpoints exist, or never came."""

    def __init__(self, settled: bool) -> None:
        self._settles = time.monotonic() + (0 if settled else _SETTLE_SECONDS)

    def __call__(self, client: KubernetesClient, body: Body) -> list[str]:
        live = client.get(body) or body
        reasons = []
        if time.monotonic() < self._settles:
            endpoints = {"apiVersion": "v1", "kind": "Endpoints"}
            names = {
                path["backend"]["service"]["name"]
                for rule in live["spec"].get("rules", [])
                for path in rule.get("http", {}).get("paths", [])
                if "service" in path["backend"]
            }
            targets = [endpoints | {"metadata": _name(body) | {"name": name}} for name in names]
            if any(client.get(target) is None for target in targets):
                reasons.append(_NO_ENDPOINTS)
        return reasons if _addresses(live) else [*reasons, _NO_ADDRESS]


def _name(body: Body) -> Body:
    return {key: body["metadata"][key] for key in ("namespace", "name")}


def _addresses(live: Body) -> Any:
    return live.get("status", {}).get("loadBalancer", {}).get("ingress")


QUESTIONS: dict[tuple[str, str], Callable[[bool], Question]] = {
    ("apps/v1", "Deployment"): lambda settled: _of_deployment,
    ("v1", "Service"): _OfService,
    ("networking.k8s.io/v1", "Ingress"): _OfIngress,
}
"""What to ask of a kind, made anew for each wait; `settled` where there is no time to wait in."""
