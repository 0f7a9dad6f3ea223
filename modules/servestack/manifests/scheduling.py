"""Which nodes run the pods: selectors, tolerations, affinity, spread, and the devices they have."""

from __future__ import annotations

from typing import Any

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.resolve.resolved import ResolvedService
from servestack.spec.affinity import Affinity
from servestack.spec.base import SpecModel
from servestack.spec.gpus import DEFAULT_TYPE, GpuType, tolerated_resource
from servestack.spec.scaling import Toleration, TopologySpread

_MIG = "/mig-"
"""In the name of a part of a GPU, as NVIDIA's device plugin writes it: nvidia.com/mig-1g.5gb."""


def devices(service: ResolvedService) -> dict[str, int]:
    """The devices of the server's container, by the name of their resource."""
    resources = service.spec.resources
    found = dict(resources.extended)
    if resources.gpu is not None:
        found[_gpu_type(service).resource] = resources.gpu.count
    return dict(sorted(found.items()))


def placement(service: ResolvedService) -> Body:
    """The fields of a pod that choose its node, but for the spread; empty ones are left out."""
    scheduling = service.spec.scheduling
    gpus = gpu_types(service)
    selector: dict[str, str] = {}
    for gpu in gpus:
        selector |= gpu.node_selector
    selector |= scheduling.node_selector
    runtime_class = scheduling.runtime_class or next(
        (gpu.runtime_class for gpu in gpus if gpu.runtime_class), None
    )
    pod: Body = {
        "nodeSelector": dict(sorted(selector.items())),
        "affinity": _affinity(scheduling.affinity, names.selector(service)),
        "tolerations": _tolerations(service, gpus),
        "priorityClassName": scheduling.priority_class,
        "runtimeClassName": runtime_class,
    }
    return {name: value for name, value in pod.items() if value}


def _gpu_type(service: ResolvedService) -> GpuType:
    gpu = service.spec.resources.gpu
    found = service.environment.gpu_type(gpu.type if gpu is not None else DEFAULT_TYPE)
    assert found is not None  # resolve.devices refuses others
    return found


def gpu_types(service: ResolvedService) -> list[GpuType]:
    """The kinds of GPU of the pods: what `resources` names, by kind or by its resource.

    A part of a GPU that the environment does not describe is on nodes with the taints and the
    runtime of its default GPUs; which nodes have it, its own name says.
    """
    found = [_gpu_type(service)] if service.spec.resources.gpu is not None else []
    by_resource = {gpu.resource: gpu for _, gpu in sorted(service.environment.gpus.items())}
    for resource in sorted(service.spec.resources.extended):
        if resource in by_resource:
            found.append(by_resource[resource])
        elif _MIG in resource:
            whole = service.environment.gpu_type(DEFAULT_TYPE) or GpuType()
            found.append(whole.model_copy(update={"node_selector": {}}))
    return found


def _tolerations(service: ResolvedService, gpus: list[GpuType]) -> list[Body]:
    """The spec's tolerations, then those of its devices, each once."""
    resources = service.spec.resources
    tolerations = [*service.spec.scheduling.tolerations]
    tolerations += [toleration for gpu in gpus for toleration in gpu.tolerated]
    described = {gpu.resource for gpu in gpus}
    tolerations += [
        tolerated_resource(name) for name in sorted(resources.extended) if name not in described
    ]
    bodies = [_toleration(toleration) for toleration in tolerations]
    return [body for index, body in enumerate(bodies) if body not in bodies[:index]]


def _toleration(toleration: Toleration) -> Body:
    """A toleration without an empty value, which the API drops."""
    body: Body = toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in body.items() if value != ""}


def spread_constraints(service: ResolvedService) -> list[Body]:
    """How the model's pods are spread over the nodes."""
    scheduling = service.spec.scheduling
    constraints = scheduling.topology_spread
    if constraints is None:
        constraints = (TopologySpread.model_construct(topology_key=scheduling.spread_over),)
    selector = names.selector(service)
    spread = []
    for constraint in constraints:
        body: Body = {
            "maxSkew": constraint.max_skew,
            "topologyKey": constraint.topology_key,
            "whenUnsatisfiable": constraint.when_unsatisfiable,
            "labelSelector": {"matchLabels": dict(selector)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        if constraint.min_domains is not None:
            body["minDomains"] = constraint.min_domains
        spread.append(body)
    return spread


def _affinity(affinity: Affinity, own_pods: dict[str, str]) -> Body:
    """The affinity as it is written. A term about pods that names none is about the model's own.

    Kubernetes would match none.
    """
    if not affinity.model_fields_set:
        return {}  # pydantic prepares what writes it for 4 ms, once.
    body = written(affinity)
    for name in ("podAffinity", "podAntiAffinity"):
        for terms in body.get(name, {}).values():
            for term in terms:
                pods = term.get("podAffinityTerm", term)
                pods.setdefault("labelSelector", {"matchLabels": dict(own_pods)})
    return {name: value for name, value in body.items() if value}


def written(section: SpecModel) -> dict[str, Any]:
    """A section of the spec with the fields that are set, under the names of the Kubernetes API.

    Empty lists are left out, as the API leaves them out. Empty mappings stay: an empty selector
    matches everything.
    """
    plain: dict[str, Any] = _without_empty_lists(
        section.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    )
    return plain


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty_lists(inner) for key, inner in value.items() if inner != []}
    if isinstance(value, list):
        return [_without_empty_lists(inner) for inner in value]
    return value
