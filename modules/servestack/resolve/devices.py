"""Finds what a model asks of devices and the environment does not have."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.errors import Problem
from servestack.resolve.provenance import Provenance
from servestack.spec.document import dotted
from servestack.spec.environment import Environment
from servestack.spec.gpus import DEFAULT_TYPE
from servestack.spec.model_service import ModelService


def device_problems(
    spec: ModelService, environment: Environment, provenance: Provenance
) -> Iterator[Problem]:
    """Yield a problem for an unknown kind of GPU, and for a resource that is asked for twice."""
    gpu = spec.resources.gpu
    if gpu is None:
        return
    kind = environment.gpu_type(gpu.type)
    if kind is None:
        path = ("resources", "gpu", "type")
        known = ", ".join(sorted({*environment.gpus, DEFAULT_TYPE}))
        yield Problem(
            "SRV176",
            f"the environment {environment.name} has no GPUs called {gpu.type!r}",
            provenance.location(path),
            dotted(path),
            f"write one of {known}, or describe it under gpus in the environment",
        )
    elif kind.resource in spec.resources.extended:
        path = ("resources", "extended", kind.resource)
        yield Problem(
            "SRV177",
            f"{kind.resource} is also what resources.gpu asks for",
            provenance.location(path),
            dotted(path),
            "keep one of the two",
        )
