"""Rules on the pods as they are rendered."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.manifests import names
from servestack.manifests.kinds import KINDS
from servestack.review.policy.pod_security import forbidden_in_pod
from servestack.review.policy.rule import Subject, Violation, rule
from servestack.secrets.search import find_secrets


@rule("SRV601", "error", "runs under the restricted Pod Security level")
def restricted_pods(subject: Subject) -> Iterator[Violation]:
    for what in forbidden_in_pod(subject.pod):
        yield Violation((), what)
    pod = subject.pod.get("securityContext", {})
    if not pod.get("runAsNonRoot") or pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield Violation((), "the pod may run as root or without a seccomp profile")
    if subject.pod.get("automountServiceAccountToken") is not False:
        yield Violation((), "the pod mounts a token for the Kubernetes API")
    for container in subject.containers:
        context = container.get("securityContext", {})
        drops = context.get("capabilities", {}).get("drop", [])
        if (
            context.get("allowPrivilegeEscalation") is not False
            or "ALL" not in drops
            or not context.get("readOnlyRootFilesystem")
        ):
            yield Violation(
                (),
                f"container {container['name']} may gain privileges or write to its root file system",
            )


@rule("SRV602", "error", "has limits of CPU, memory and disk on every container")
def limited_containers(subject: Subject) -> Iterator[Violation]:
    for container in subject.containers:
        limits = container.get("resources", {}).get("limits", {})
        for resource in ("cpu", "memory", "ephemeral-storage"):
            if resource not in limits:
                yield Violation(
                    (*subject.path_of(container), "resources"),
                    f"container {container['name']} has no {resource} limit",
                    "write resources: {cpu: 100m, memory: 64Mi}",
                )


@rule("SRV603", "error", "leaves the number of pods to its autoscaler")
def autoscaler_alone(subject: Subject) -> Iterator[Violation]:
    scalers = {"HorizontalPodAutoscaler", "ScaledObject"}
    scaled = any(manifest.kind in scalers for manifest in subject.manifests)
    if scaled and "replicas" in subject.deployment["spec"]:
        yield Violation(("replicas",), "replicas are rendered, and an autoscaler sets them as well")


@rule("SRV604", "error", "has selectors that outlive a version")
def lasting_selectors(subject: Subject) -> Iterator[Violation]:
    for label in subject.deployment["spec"]["selector"]["matchLabels"]:
        if "version" in label:
            yield Violation(
                (), f"the selector contains the label {label}, which changes with each version"
            )


@rule("SRV605", "error", "is probed for start, readiness and life, each for itself")
def probed_server(subject: Subject) -> Iterator[Violation]:
    server = next(c for c in subject.pod["containers"] if c["name"] == names.SERVER_CONTAINER)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe not in server:
            yield Violation((), f"the server has no {probe}")
    ready = server.get("readinessProbe", {}).get("httpGet")
    if ready is not None and ready == server.get("livenessProbe", {}).get("httpGet"):
        yield Violation(
            (), "readiness and liveness ask the same path: a busy pod would be restarted"
        )


@rule("SRV606", "error", "is given the time to end without loss")
def enough_grace(subject: Subject) -> Iterator[Violation]:
    shutdown = subject.service.spec.shutdown
    needed = shutdown.drain_seconds + shutdown.request_seconds
    if subject.service.topics.shipped():
        needed += shutdown.log_drain_seconds
    grace = subject.pod.get("terminationGracePeriodSeconds", 30)
    if grace < needed:
        yield Violation(
            ("shutdown",), f"the pod is killed after {grace} s and needs {needed} s to stop"
        )


@rule("SRV607", "error", "has no secret written out")
def referenced_secrets(subject: Subject) -> Iterator[Violation]:
    vouched = subject.service.spec.public_variables()
    containers = subject.containers
    metadata = subject.deployment["spec"]["template"].get("metadata", {})
    written = {
        "containers": [
            {
                "env": [
                    variable | {"public": True} if variable["name"] in vouched else variable
                    for variable in container.get("env", [])
                ],
                "args": container.get("args", []),
                "command": container.get("command", []),
            }
            for container in containers
        ],
        "annotations": metadata.get("annotations", {}),
    }
    for path, what in find_secrets(written):
        if path[0] == "annotations":
            yield Violation(
                ("annotations",), f"{path[-1]} of the pods: {what}", "refer to a Secret"
            )
            continue
        container = containers[int(path[1])]
        part, index = path[2], int(path[3])
        name = container["env"][index]["name"] if part == "env" else f"{part}[{index}]"
        yield Violation(
            (*subject.path_of(container), "env"),
            f"{name} of container {container['name']}: {what}",
            "refer to a Secret with valueFrom",
        )


@rule("SRV608", "error", "lives in the environment's namespace")
def one_namespace(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.manifests:
        if KINDS[manifest.api_version, manifest.kind].is_elsewhere:
            continue
        if manifest.namespace != subject.service.namespace:
            yield Violation(
                (), f"{manifest.kind} {manifest.name} is in namespace {manifest.namespace!r}"
            )
