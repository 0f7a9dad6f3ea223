"""Remembers what is derived from a model, which several of its objects and rules ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from servestack.resolve.resolved import ResolvedService

Result = TypeVar("Result")


def remembered(derive: Callable[[ResolvedService], Result]) -> Callable[[ResolvedService], Result]:
    """A function of a model that gives its last result when it is asked of the same model again.

    Models are built one after the other, so one result is enough. Nobody may change it.
    """
    last: tuple[ResolvedService, Result] | None = None

    @wraps(derive)
    def ask(service: ResolvedService) -> Result:
        nonlocal last
        if last is None or last[0] is not service:
            last = (service, derive(service))
        return last[1]

    return ask
