"""Rules between the fields of the pods: identity, image, affinity, volumes, containers, rollout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from servestack.spec.affinity import (
    LabelSelector,
    LabelSelectorRequirement,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
)
from servestack.spec.containers import InitContainer
from servestack.spec.document import DataPath
from servestack.spec.faults import Fault
from servestack.spec.model_service import ModelService
from servestack.spec.quantities import byte_count, millicores
from servestack.spec.volumes import SOURCES, Volume, VolumeMount

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def pod_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield the faults of what only the pods are about."""
    yield from _identity(spec)
    yield from _image(spec)
    yield from _affinity(spec)
    yield from _volumes(spec)
    yield from _containers(spec)
    yield from _surge(spec)


def _identity(spec: ModelService) -> Iterator[Fault]:
    account = spec.service_account
    if account.name is not None and account.annotations:
        yield Fault(
            "SRV170",
            ("serviceAccount", "annotations"),
            f"cannot be set for the existing account {account.name}",
            "annotate that account where it is made; `annotations: {}` drops those of a layer below",
            (("serviceAccount", "name"),),
        )


def _image(spec: ModelService) -> Iterator[Fault]:
    image = spec.image
    if image is None or image.repository is not None:
        return
    for name in ("tag", "digest"):
        if getattr(image, name) is not None:
            yield Fault(
                "SRV175",
                ("image", name),
                "needs image.repository",
                "write the repository too: the environment's may have no such image",
            )


def _affinity(spec: ModelService) -> Iterator[Fault]:
    affinity, path = spec.scheduling.affinity, ("scheduling", "affinity")
    nodes = affinity.node_affinity
    if nodes is not None:
        required = nodes.required_during_scheduling_ignored_during_execution
        terms: list[tuple[DataPath, NodeSelectorTerm]] = [
            ((_REQUIRED, "nodeSelectorTerms", index), term)
            for index, term in enumerate(required.node_selector_terms if required else ())
        ]
        terms += [
            ((_PREFERRED, index, "preference"), preferred.preference)
            for index, preferred in enumerate(
                nodes.preferred_during_scheduling_ignored_during_execution
            )
        ]
        for below, term in terms:
            here = (*path, "nodeAffinity", *below)
            yield from _requirements(term.match_expressions, (*here, "matchExpressions"))
            yield from _fields(term.match_fields, (*here, "matchFields"))
    for name, pods in (
        ("podAffinity", affinity.pod_affinity),
        ("podAntiAffinity", affinity.pod_anti_affinity),
    ):
        if pods is not None:
            yield from _pod_affinity(pods, (*path, name))


def _pod_affinity(pods: PodAffinity, path: DataPath) -> Iterator[Fault]:
    for index, term in enumerate(pods.required_during_scheduling_ignored_during_execution):
        yield from _pod_term(term, (*path, _REQUIRED, index))
    for index, preferred in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
        here = (*path, _PREFERRED, index, "podAffinityTerm")
        yield from _pod_term(preferred.pod_affinity_term, here)


def _pod_term(term: PodAffinityTerm, path: DataPath) -> Iterator[Fault]:
    selectors: tuple[tuple[str, LabelSelector | None], ...] = (
        ("labelSelector", term.label_selector),
        ("namespaceSelector", term.namespace_selector),
    )
    for name, selector in selectors:
        if selector is not None:
            here = (*path, name, "matchExpressions")
            yield from _requirements(selector.match_expressions, here)


def _requirements(
    requirements: Sequence[NodeSelectorRequirement | LabelSelectorRequirement], path: DataPath
) -> Iterator[Fault]:
    for index, requirement in enumerate(requirements):
        operator, values = requirement.operator, requirement.values
        here = (*path, index, "values")
        with_operator = ((*path, index, "operator"),)
        if operator in ("In", "NotIn") and not values:
            yield Fault(
                "SRV172", here, f"{operator} needs values", "write values: [a, b]", with_operator
            )
        if operator in ("Exists", "DoesNotExist") and values:
            yield Fault(
                "SRV172", here, f"have no meaning with {operator}", "remove them", with_operator
            )
        is_one_number = len(values) == 1 and values[0].lstrip("-").isdecimal()
        if operator in ("Gt", "Lt") and not is_one_number:
            yield Fault(
                "SRV172",
                here,
                f"{operator} needs one whole number",
                'write it as text, such as values: ["4"]',
                with_operator,
            )


def _fields(requirements: Sequence[NodeSelectorRequirement], path: DataPath) -> Iterator[Fault]:
    for index, requirement in enumerate(requirements):
        known = requirement.key == "metadata.name" and requirement.operator in ("In", "NotIn")
        if not known or len(requirement.values) != 1:
            yield Fault(
                "SRV172",
                (*path, index),
                "Kubernetes compares only metadata.name with one value",
                "write {key: metadata.name, operator: In, values: [<node>]}, or matchExpressions",
            )


def _volumes(spec: ModelService) -> Iterator[Fault]:
    mounted = {mount.name for _, mount in _mounts(spec)}
    for index, volume in enumerate(spec.volumes):
        path = ("volumes", index)
        written = written_sources(volume)
        if len(written) != 1:
            yield Fault(
                "SRV173",
                path,
                f"{volume.name} needs exactly one source, not {' and '.join(written) or 'none'}",
                f"write one of {', '.join(SOURCES)}",
            )
        if volume.mount_path is None and volume.name not in mounted:
            yield Fault(
                "SRV173",
                (*path, "mountPath"),
                f"nothing mounts {volume.name}",
                "write mountPath for the server, or name the volume in volumeMounts of a container",
            )
        if volume.image is not None and volume.read_only is False:
            yield Fault(
                "SRV173",
                (*path, "readOnly"),
                "the files of an image can only be read",
                "remove it",
            )
        for number, source in enumerate(volume.projected.sources if volume.projected else ()):
            sources = (source.config_map, source.secret, source.service_account_token)
            if sum(given is not None for given in sources) != 1:
                yield Fault(
                    "SRV173",
                    (*path, "projected", "sources", number),
                    "needs exactly one source",
                    "write one of configMap, secret, serviceAccountToken",
                )


def written_sources(volume: Volume) -> list[str]:
    """Return the names of the sources that a volume has; one in a valid spec."""
    fields = type(volume).model_fields
    by_alias = {info.alias: name for name, info in fields.items()}
    return [
        source for source in SOURCES if getattr(volume, by_alias.get(source) or source) is not None
    ]


def containers_of(spec: ModelService) -> list[tuple[DataPath, InitContainer]]:
    """Return the spec's further containers, each with its path, in the order of their start."""
    sections: tuple[tuple[str, Sequence[InitContainer]], ...] = (
        ("initContainers", spec.init_containers),
        ("sidecars", spec.sidecars),
    )
    return [
        ((name, index), container)
        for name, containers in sections
        for index, container in enumerate(containers)
    ]


def _mounts(spec: ModelService) -> list[tuple[DataPath, VolumeMount]]:
    """Return where containers other than the server see a volume, each mount with its path."""
    holders: list[tuple[DataPath, tuple[VolumeMount, ...]]] = [
        (path, container.volume_mounts) for path, container in containers_of(spec)
    ]
    holders.append((("fetch",), spec.fetch.volume_mounts))
    return [
        ((*path, "volumeMounts", index), mount)
        for path, mounts in holders
        for index, mount in enumerate(mounts)
    ]


def _containers(spec: ModelService) -> Iterator[Fault]:
    volumes = {volume.name: volume for volume in spec.volumes}
    for here, mount in _mounts(spec):
        if mount.name not in volumes:
            known = f"the volumes are {', '.join(volumes)}" if volumes else "list it there"
            yield Fault("SRV174", (*here, "name"), f"{mount.name!r} is not in volumes", known)
        elif volumes[mount.name].image is not None and mount.read_only is False:
            yield Fault(
                "SRV173",
                (*here, "readOnly"),
                "the files of an image can only be read",
                "remove it",
            )
    for path, container in containers_of(spec):
        yield from _limits(container, (*path, "resources"))


def _limits(container: InitContainer, path: DataPath) -> Iterator[Fault]:
    asked, limits = container.resources, container.resources.limits
    pairs: tuple[tuple[str, str | None, str | None, Callable[[str], int]], ...] = (
        ("cpu", asked.cpu, limits.cpu, millicores),
        ("memory", asked.memory, limits.memory, byte_count),
    )
    for name, request, limit, measure in pairs:
        if request is not None and limit is not None and measure(limit) < measure(request):
            yield Fault(
                "SRV128",
                (*path, "limits", name),
                f"{limit} is below the request {request}",
                f"raise it to {request} or more",
                ((*path, name),),
            )


def _surge(spec: ModelService) -> Iterator[Fault]:
    rollout = spec.rollout
    surge, unavailable = ("rollout", "maxSurge"), ("rollout", "maxUnavailable")
    if {rollout.max_surge, rollout.max_unavailable} <= {0, "0%"}:
        yield Fault(
            "SRV171",
            unavailable,
            f"{rollout.max_unavailable} and rollout.maxSurge {rollout.max_surge} leave a rollout no "
            "first step",
            "write 1 for one of the two: maxUnavailable where there is no room for another pod",
            (surge,),
        )


def stops_first(spec: ModelService) -> bool:
    """Return whether a rollout stops a pod before it starts one, because it may not surge."""
    return spec.rollout.max_surge in (0, "0%")


def stop_seconds(spec: ModelService) -> int:
    """Return the longest time that a pod takes to stop, without the kubelet's margin."""
    shutdown = spec.shutdown
    return shutdown.drain_seconds + shutdown.request_seconds + shutdown.log_drain_seconds
