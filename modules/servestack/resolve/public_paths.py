"""The public paths of models, and which of them cannot share a host."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

from servestack.errors import Location, Problem
from servestack.resolve.provenance import Path, Provenance
from servestack.resolve.resolved import ResolvedService
from servestack.spec.document import dotted
from servestack.spec.model_service import ModelService
from servestack_contract.routes import V2_MODELS, routes_below


def public_paths(spec: ModelService) -> tuple[str, ...]:
    """Path prefixes that are public: the model's routes in both protocols, never /metrics."""
    return (spec.base_path, f"{V2_MODELS}/{spec.name}")


def taken_path(one: ModelService, other: ModelService) -> str:
    """Return a path of one model on which a shared host would ask the other; "" without one.

    Of two prefixes the longer wins. It may lie below the other's, as /v1/iris/next below /v1/iris,
    unless the other answers there itself.
    """
    for outer, inner in ((one, other), (other, one)):
        routes = _routes(outer)
        for path in public_paths(inner):
            if path in public_paths(outer):
                return path
            is_below = path.startswith(f"{outer.base_path}/")
            if is_below and any(f"{route}/".startswith(f"{path}/") for route in routes):
                return path
    return ""


def _routes(spec: ModelService) -> tuple[str, ...]:
    names = tuple(model.name for model in spec.models or ())
    several = names if len(names) > 1 else ()
    return routes_below(spec.base_path, several, seldon="seldon" in spec.api.protocols)


def field_of_path(spec: ModelService) -> Path:
    """The field that a model's path comes from: its base path if it has one, else its host."""
    return ("api", "basePath") if spec.api.base_path else ("ingress", "host")


def place_of_path(spec: ModelService, provenance: Provenance) -> Location:
    return provenance.location(field_of_path(spec))


def shared_paths(services: Sequence[ResolvedService], wanted: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each two models that share a path on one host.

    `wanted` are the models that are asked about: one of the two is among them.
    """
    by_host: dict[str, list[ResolvedService]] = {}
    for service in services:
        if service.host:
            by_host.setdefault(service.host, []).append(service)
    for one, other in (pair for group in by_host.values() for pair in combinations(group, 2)):
        path = taken_path(one.spec, other.spec)
        if path and {one.name, other.name}.intersection(wanted):
            first, second = (one, other) if other.name in wanted else (other, one)
            place = place_of_path(first.spec, first.provenance)
            yield Problem(
                "SRV203",
                f"{second.host}{path} is also the address of {first.name} ({place})",
                place_of_path(second.spec, second.provenance),
                dotted(field_of_path(second.spec)),
                "give it another ingress.host or api.basePath",
            )
