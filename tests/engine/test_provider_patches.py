"""Patch resources own fields, never the object: made when missing, left when deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from tests.engine.small_stacks import NAMESPACE, counts, on, provider, resources_of, stack_of
from tests.support.apiserver import ApiServer

OURS = {"name": "small", "labels": {"ours": "1"}}


@pytest.fixture(autouse=True)
def no_namespace(apiserver: ApiServer) -> Iterator[None]:
    yield
    apiserver.client.delete(NAMESPACE)


def labels(apiserver: ApiServer) -> Any:
    found = dict((apiserver.client.get(NAMESPACE) or {})["metadata"]["labels"])
    found.pop("kubernetes.io/metadata.name")
    return found


def test_it_makes_what_is_missing_and_leaves_it(apiserver: ApiServer) -> None:
    def program() -> None:
        kubernetes.core.v1.NamespacePatch("small", metadata=OURS, opts=on(apiserver))

    with stack_of(program) as stack:
        assert stack.preview().change_summary == {"create": 3}
        assert apiserver.client.get(NAMESPACE) is None
        stack.up()
        assert labels(apiserver) == {"ours": "1"}
        assert set(counts(stack.refresh())) == {"same"}
        assert set(counts(stack.up())) == {"same"}
    assert labels(apiserver) == {}


def test_it_gives_its_fields_back(apiserver: ApiServer) -> None:
    theirs = {"metadata": {"name": "small", "labels": {"theirs": "1"}}}
    apiserver.client.create(NAMESPACE | theirs)

    def program() -> None:
        kubernetes.core.v1.NamespacePatch("small", metadata=OURS, opts=on(apiserver))

    with stack_of(program) as stack:
        stack.up()
        assert labels(apiserver) == {"ours": "1", "theirs": "1"}
    assert labels(apiserver) == {"theirs": "1"}


def test_deleting_the_patch_of_what_is_gone_makes_it_anew(apiserver: ApiServer) -> None:
    """To give fields back is an apply of nothing; so does the official plugin."""

    def program() -> None:
        kubernetes.core.v1.NamespacePatch("small", metadata=OURS, opts=on(apiserver))

    with stack_of(program) as stack:
        stack.up()
        apiserver.client.delete(NAMESPACE)
    assert labels(apiserver) == {}


@pytest.mark.parametrize("name", ["cluster", "shared"])
def test_a_namespace_becomes_a_patch_by_an_alias(apiserver: ApiServer, name: str) -> None:
    """In place, and also where the patch has another provider: the namespace is never deleted."""
    patched = False

    def program() -> None:
        opts = pulumi.ResourceOptions(provider=provider(apiserver))
        if not patched:
            kubernetes.core.v1.Namespace("small", metadata=OURS, opts=opts)
            return
        shared = opts.provider if name == "cluster" else provider(apiserver, name)
        aliases = [pulumi.Alias(type_="kubernetes:core/v1:Namespace")]
        opts = pulumi.ResourceOptions(provider=shared, aliases=aliases)
        kubernetes.core.v1.NamespacePatch("small", metadata=OURS, opts=opts)

    with stack_of(program) as stack:
        stack.up()
        uid = (apiserver.client.get(NAMESPACE) or {})["metadata"]["uid"]
        patched = True
        changes = counts(stack.up())
        assert not {"replace", "delete-replaced", "delete"} & set(changes)
        (held,) = resources_of(stack)
        assert held["type"] == "kubernetes:core/v1:NamespacePatch"
    assert (apiserver.client.get(NAMESPACE) or {})["metadata"]["uid"] == uid
