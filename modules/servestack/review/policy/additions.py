"""Rules on what a spec adds to the pods, and on how they are replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from servestack.manifests import names
from servestack.manifests.scheduling import devices, gpu_types
from servestack.review.policy.rule import Path, Subject, Violation, rule


@rule("SRV671", "error", "gives containers, volumes, mounts and ports their own names and places")
def nothing_twice(subject: Subject) -> Iterator[Violation]:
    spec = subject.service.spec
    volumes: dict[str, Path] = {
        volume.name: ("volumes", index) for index, volume in enumerate(spec.volumes)
    }
    for name in _repeated(volume["name"] for volume in subject.pod.get("volumes", [])):
        path = (*volumes.get(name, ("volumes",)), "name")
        yield Violation(path, f"two volumes are called {name}", "choose another name")
    for name in _repeated(container["name"] for container in subject.containers):
        path = subject.path_of({"name": name})
        yield Violation((*path, "name"), f"two containers are called {name}", "choose another name")
    for container in subject.containers:
        yield from _mounts(subject, container, volumes)
    yield from _ports(subject)


def _mounts(
    subject: Subject, container: dict[str, Any], volumes: dict[str, Path]
) -> Iterator[Violation]:
    """Mounts at one place, and mounts of the spec inside or around one of servestack's own."""
    mounts = container.get("volumeMounts", [])
    own = [mount["mountPath"] for mount in mounts if mount["name"] not in volumes]
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        path = mount["mountPath"]
        at = subject.path_of(container)
        if not at and container["name"] == names.FETCH_CONTAINER:
            at = ("fetch",)
        # servestack's own mounts come first.
        number = max(0, index - len(own))
        where = (*at, "volumeMounts", number) if at else volumes.get(mount["name"], ("volumes",))
        if path in seen:
            yield Violation(
                (*where, "mountPath"),
                f"container {container['name']} has two volumes at {path}",
                "choose another folder",
            )
        elif mount["name"] in volumes:
            for other in own:
                if other != path and _overlap(path, other):
                    yield Violation(
                        (*where, "mountPath"),
                        f"{path} and servestack's own {other} overlap in container "
                        f"{container['name']}",
                        "choose another folder, such as /data",
                    )
        seen.add(path)


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _ports(subject: Subject) -> Iterator[Violation]:
    """All containers of a pod share its address, so each port has one listener."""
    taken = {(names.HTTP_PORT, "TCP"): names.SERVER_CONTAINER}
    if subject.service.topics.shipped():
        taken[(names.FILEBEAT_STATS_PORT, "TCP")] = names.FILEBEAT_CONTAINER
    for at, sidecar in enumerate(subject.service.spec.sidecars):
        for index, port in enumerate(sidecar.ports):
            key = (port.container_port, port.protocol)
            if key in taken:
                yield Violation(
                    ("sidecars", at, "ports", index, "containerPort"),
                    f"container {taken[key]} already listens on port {port.container_port}",
                    "choose another port",
                )
            taken.setdefault(key, sidecar.name)
            if port.name == names.HTTP_PORT_NAME:
                yield Violation(
                    ("sidecars", at, "ports", index, "name"),
                    f"the server's port is called {port.name}, and Prometheus would scrape both",
                    "choose another name",
                )


def _repeated(given: Iterable[str]) -> list[str]:
    found = list(given)
    return sorted({name for name in found if found.count(name) > 1})


@rule("SRV672", "warning", "answers while it rolls out")
def ready_while_rolling(subject: Subject) -> Iterator[Violation]:
    spec = subject.service.spec
    fewest = spec.autoscaling.min if spec.autoscaling else spec.replicas or 0
    stopped = _pods(spec.rollout.max_unavailable, fewest)
    if 0 < fewest <= stopped:
        yield Violation(
            ("rollout", "maxUnavailable"),
            f"a rollout may stop {stopped} pods at once, and there are only {fewest}: the model does "
            "not answer until a new pod is ready, and a broken version replaces the serving one",
            f"run {stopped + 1} pods or more, or set maxUnavailable: 0 with maxSurge: 1",
        )


def _pods(given: int | str, count: int) -> int:
    """The pods that may be unavailable: a share is rounded down, as the Deployment controller does."""
    if isinstance(given, int):
        return given
    return count * int(given.removesuffix("%")) // 100


@rule("SRV673", "note", "mounts volumes that every supported cluster has")
def known_volumes(subject: Subject) -> Iterator[Violation]:
    for index, volume in enumerate(subject.service.spec.volumes):
        if volume.image is not None:
            yield Violation(
                ("volumes", index, "image"),
                "volumes of images need Kubernetes 1.35, or 1.33 with the feature gate ImageVolume; "
                "other clusters refuse the pods",
            )


@rule("SRV674", "note", "can roll out without spare devices")
def spare_devices(subject: Subject) -> Iterator[Violation]:
    spec = subject.service.spec
    asked = devices(subject.service)
    if asked and spec.rollout.max_surge not in (0, "0%"):
        amounts = ", ".join(f"{count} {name}" for name, count in asked.items())
        yield Violation(
            ("rollout", "maxSurge"),
            f"a rollout starts a pod more first, which waits until {amounts} are free",
            "where there are no spare ones, set rollout: {maxSurge: 0, maxUnavailable: 1}",
        )


_ON_ANY_DEVICE = ("pyfunc", "")
"""Flavors whose own code may use a GPU; the flavor of a model in the image is not known."""


@rule("SRV675", "warning", "has a use for its GPUs")
def used_gpus(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    flavors = {model.artifact.flavor for model in service.models}
    if not gpu_types(service) or service.spec.trust.code or flavors.intersection(_ON_ANY_DEVICE):
        return
    asked = "extended" if service.spec.resources.gpu is None else "gpu"
    yield Violation(
        ("resources", asked),
        f"the server computes models of flavor {', '.join(sorted(flavors))} on the CPU",
        "remove it, or log the model as a pyfunc whose code uses the GPU",
    )
