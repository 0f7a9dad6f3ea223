"""The images, built once, and containers of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tools.images.build import build, obstacle
from tools.images.catalogue import filebeat, serving
from tools.images.recipe import Recipe

from tests.images.container import Container, container


@pytest.fixture(scope="session")
def serving_container() -> Iterator[Container]:
    yield from _container_of(serving())


@pytest.fixture(scope="session")
def filebeat_container() -> Iterator[Container]:
    yield from _container_of(filebeat())


def _container_of(recipe: Recipe) -> Iterator[Container]:
    reason = obstacle()
    if reason is not None:
        pytest.skip(reason)
    try:
        archive = build(recipe)
    except SystemExit as error:
        raise RuntimeError(str(error)) from None
    with container(archive, recipe.reference) as running:
        yield running
