"""Resolves all models of one environment, and finds the problems between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from servestack.errors import Problem, ResolveError, ServestackError
from servestack.resolve.lock import Lock
from servestack.resolve.public_paths import shared_paths
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.service import resolve_service
from servestack.spec.document import dotted
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded
from servestack.spec.model_files import Selection
from servestack.spec.model_service import ModelService


def resolve_environment(
    specs: Sequence[Loaded[ModelService]],
    environment: Loaded[Environment],
    lock: Lock,
    selection: Selection | None = None,
) -> tuple[ResolvedService, ...]:
    """Resolve every model that runs in the environment, in the order of their names.

    With a selection, returns only the selected ones. Raises ResolveError with the problems of all
    that it would return.
    """
    # A selection says nothing of models that were not selected, or that are not valid.
    problems = [] if selection is not None else list(_unknown_names(specs, environment))
    services: list[ResolvedService] = []
    wanted: set[str] = set()
    for spec in deployed(specs, environment.value):
        is_wanted = selection is None or selection.holds_spec(spec)
        wanted |= {spec.value.name} if is_wanted else set()
        try:
            services.append(resolve_service(spec, environment, lock))
        except ServestackError as error:
            problems += error.problems if is_wanted else ()
    problems += shared_paths(services, wanted)
    if problems:
        raise ResolveError(problems)
    return tuple(service for service in services if service.name in wanted)


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
