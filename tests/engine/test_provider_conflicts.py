"""Objects and fields of somebody else: the provider refuses them, unless it is told not to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi_kubernetes as kubernetes
import pytest
from pulumi import automation

from tests.engine.small_stacks import (
    CONFIG_MAP,
    METADATA,
    config_map,
    counts,
    on,
    resources_of,
    stack_of,
)
from tests.support.apiserver import ApiServer


@pytest.fixture
def theirs(apiserver: ApiServer) -> Iterator[None]:
    """A ConfigMap that somebody else made."""
    apiserver.client.apply(CONFIG_MAP | {"data": {"one": "theirs"}}, manager="somebody-else")
    yield
    apiserver.client.delete(CONFIG_MAP)


def data(apiserver: ApiServer) -> Any:
    return (apiserver.client.get(CONFIG_MAP) or {}).get("data")


def test_create_of_what_exists_fails(apiserver: ApiServer, theirs: None) -> None:
    with stack_of(config_map(apiserver, {"one": "ours"})) as stack:
        with pytest.raises(automation.CommandError) as failed:
            stack.up()
        assert "was not successfully created by the Kubernetes API server" in str(failed.value)
        assert 'configmaps "small" already exists' in str(failed.value)
        assert "set upsertExistingObjects on the provider" in str(failed.value)
        assert resources_of(stack) == []
    assert data(apiserver) == {"one": "theirs"}


def test_upsert_still_conflicts_over_their_fields(apiserver: ApiServer, theirs: None) -> None:
    program = config_map(apiserver, {"one": "ours"}, upsert_existing_objects=True)
    with stack_of(program) as stack, pytest.raises(automation.CommandError) as failed:
        stack.up()
    assert "server-side apply field conflict detected" in str(failed.value)
    assert 'conflict with "somebody-else": .data.one' in str(failed.value)
    assert data(apiserver) == {"one": "theirs"}


def test_upsert_takes_an_object_over_and_deletes_it(apiserver: ApiServer, theirs: None) -> None:
    program = config_map(apiserver, {"two": "ours"}, upsert_existing_objects=True)
    with stack_of(program) as stack:
        stack.up()
        assert data(apiserver) == {"one": "theirs", "two": "ours"}
    assert data(apiserver) is None


@pytest.mark.parametrize("by", ["annotation", "provider"])
def test_force_overwrites_their_fields(apiserver: ApiServer, theirs: None, by: str) -> None:
    forced = {"annotations": {"pulumi.com/patchForce": "true"}} if by == "annotation" else {}
    settings = {} if forced else {"enable_patch_force": True}

    def program() -> None:
        kubernetes.core.v1.ConfigMapPatch(
            "small",
            metadata=METADATA | forced,
            data={"one": "ours"},
            opts=on(apiserver, **settings),
        )

    with stack_of(program) as stack:
        stack.up()
        assert data(apiserver) == {"one": "ours"}


def test_an_update_conflicts_with_a_change_of_theirs(apiserver: ApiServer) -> None:
    """The preview says so too. What failed is kept with its reason and is tried again."""
    ours = {"one": "1"}
    settings = {"enable_config_map_mutable": True}

    def program() -> None:
        config_map(apiserver, ours, **settings)()

    with stack_of(program) as stack:
        stack.up()
        ours = {"one": "2"}
        assert counts(stack.up())["update"] == 1
        apiserver.client.patch(CONFIG_MAP, {"data": {"one": "theirs"}})
        ours = {"one": "3"}
        for run in (stack.preview, stack.up):
            with pytest.raises(automation.CommandError, match="field conflict detected"):
                run()
        assert "field conflict detected" in resources_of(stack)[0]["initErrors"][0]
        settings["enable_patch_force"] = True
        assert counts(stack.up())["update"] >= 1
        assert data(apiserver) == {"one": "3"}
        assert "initErrors" not in resources_of(stack)[0]
