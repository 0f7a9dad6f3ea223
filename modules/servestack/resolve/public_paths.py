"""The public paths of models, and which of them cannot share a host."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import Protocol

from servestack.errors import Location, Problem
from servestack.resolve.addresses import path_prefix, public_paths
from servestack.resolve.provenance import Path, Provenance
from servestack.resolve.resolved import ResolvedService
from servestack.spec.document import dotted
from servestack.spec.environment import Environment
from servestack.spec.model_service import ModelService
from servestack_contract.routes import routes_below


class Addressed(Protocol):
    """A model's spec, with all layers in it, and the environment that it is public in."""

    @property
    def spec(self) -> ModelService: ...

    @property
    def environment(self) -> Environment: ...

    @property
    def provenance(self) -> Provenance: ...


def taken_path(one: Addressed, other: Addressed) -> str:
    """Return a path of one model on which a shared host would ask the other; "" without one.

    Of two prefixes the longer wins. It may lie below the other's, as /v1/iris/next below /v1/iris,
    unless the other answers there itself.
    """
    for outer, inner in ((one, other), (other, one)):
        outer_paths, routes = public_paths(outer.spec, outer.environment), _routes(outer)
        for path in public_paths(inner.spec, inner.environment):
            if path in outer_paths:
                return path
            is_below = path.startswith(f"{outer_paths[0]}/")
            if is_below and any(f"{route}/".startswith(f"{path}/") for route in routes):
                return path
    return ""


def _routes(model: Addressed) -> tuple[str, ...]:
    spec = model.spec
    names = tuple(each.name for each in spec.models or ())
    several = names if len(names) > 1 else ()
    base = f"{path_prefix(spec, model.environment)}{spec.base_path}"
    return routes_below(base, several, seldon="seldon" in spec.api.protocols)


def field_of_path(spec: ModelService) -> Path:
    """The field that a model's path comes from: its base path if it has one, else its hosts."""
    if spec.api.base_path:
        return ("api", "basePath")
    return ("ingress", "hosts" if spec.ingress.hosts else "host")


def place_of_path(model: Addressed) -> Location:
    return model.provenance.location(field_of_path(model.spec))


def shared_paths(services: Sequence[ResolvedService], wanted: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each two models that share a path on one host.

    `wanted` are the models that are asked about: one of the two is among them.
    """
    by_host: dict[str, list[ResolvedService]] = {}
    for service in services:
        for host in service.hosts:
            by_host.setdefault(host, []).append(service)
    pairs = ((h, *pair) for h, group in by_host.items() for pair in combinations(group, 2))
    for host, one, other in pairs:
        path = taken_path(one, other)
        if path and {one.name, other.name}.intersection(wanted):
            first, second = (one, other) if other.name in wanted else (other, one)
            yield Problem(
                "SRV203",
                f"{host}{path} is also the address of {first.name} ({place_of_path(first)})",
                place_of_path(second),
                dotted(field_of_path(second.spec)),
                "give it another ingress.host or api.basePath",
            )
