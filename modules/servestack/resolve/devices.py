"""Finds what a model asks of devices and the environment does not have."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.errors import Problem
from servestack.resolve.provenance import Provenance
from servestack.spec.document import DataPath, dotted
from servestack.spec.environment import Environment
from servestack.spec.gpus import DEFAULT_TYPE
from servestack.spec.model_service import ModelService
from servestack.spec.scaling import Resources


def device_problems(
    spec: ModelService, environment: Environment, provenance: Provenance
) -> Iterator[Problem]:
    """Yield a problem for an unknown kind of GPU, and for a resource that is asked for twice.

    Of the model's pods, and of its shadow's if they have resources of their own.
    """
    yield from _of_pods(spec.resources, ("resources",), environment, provenance)
    if spec.shadow is not None and spec.shadow.resources is not None:
        path = ("shadow", "resources")
        yield from _of_pods(spec.shadow.resources, path, environment, provenance)


def _of_pods(
    resources: Resources, at: DataPath, environment: Environment, provenance: Provenance
) -> Iterator[Problem]:
    gpu = resources.gpu
    if gpu is None:
        return
    kind = environment.gpu_type(gpu.type)
    if kind is None:
        path: DataPath = (*at, "gpu", "type")
        known = ", ".join(sorted({*environment.gpus, DEFAULT_TYPE}))
        yield Problem(
            "SRV176",
            f"the environment {environment.name} has no GPUs called {gpu.type!r}",
            provenance.location(path),
            dotted(path),
            f"write one of {known}, or describe it under gpus in the environment",
        )
    elif kind.resource in resources.extended:
        path = (*at, "extended", kind.resource)
        yield Problem(
            "SRV177",
            f"{kind.resource} is also what {dotted(at)}.gpu asks for",
            provenance.location(path),
            dotted(path),
            "keep one of the two",
        )
