"""Resolves all models of one environment, and finds the problems between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from servestack.errors import Problem, ResolveError, ServestackError
from servestack.resolve.lock import Lock
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.service import resolve_service
from servestack.spec.document import dotted
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded
from servestack.spec.model_service import ModelService


def resolve_environment(
    specs: Sequence[Loaded[ModelService]], environment: Loaded[Environment], lock: Lock
) -> tuple[ResolvedService, ...]:
    """Resolve every model that runs in the environment, in the order of their names.

    Raises ResolveError with the problems of all models.
    """
    problems = list(_unknown_names(specs, environment))
    services: list[ResolvedService] = []
    for spec in deployed(specs, environment.value):
        try:
            services.append(resolve_service(spec, environment, lock))
        except ServestackError as error:
            problems += error.problems
    problems += _shared_addresses(services)
    if problems:
        raise ResolveError(problems)
    return tuple(services)


def deployed(
    specs: Sequence[Loaded[ModelService]], environment: Environment
) -> tuple[Loaded[ModelService], ...]:
    """Return the specs that run in an environment, in the order of their names."""
    chosen = (spec for spec in specs if spec.value.name not in environment.exclude)
    return tuple(sorted(chosen, key=lambda spec: spec.value.name))


def _unknown_names(
    specs: Sequence[Loaded[ModelService]], environment: Loaded[Environment]
) -> Iterator[Problem]:
    known = {spec.value.name for spec in specs}
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("overrides", name), name) for name in environment.value.overrides if name != "*"
    ]
    named += [(("exclude", index), name) for index, name in enumerate(environment.value.exclude)]
    for path, name in named:
        if name not in known:
            yield Problem(
                "SRV202",
                f"no model is called {name!r}",
                environment.document.location(path),
                dotted(path),
                "name a model of models/, or remove it",
            )


def _shared_addresses(services: Sequence[ResolvedService]) -> Iterator[Problem]:
    seen: dict[str, ResolvedService] = {}
    for service in services:
        if service.url in seen:
            other = seen[service.url]
            yield Problem(
                "SRV203",
                f"{service.url} is also the address of {other.name} ({other.source})",
                service.provenance.location(("ingress", "host")),
                "ingress.host",
                "give it another ingress.host or api.basePath",
            )
        seen.setdefault(service.url, service)
