"""What a killed run was creating is taken up or forgotten, and nothing else is touched."""

from __future__ import annotations

from typing import Any

from servestack.apply.pending import pending_creates, settled


def operation(name: str, kind: str = "creating", of: str = "kubernetes:core/v1:Service") -> Any:
    metadata = {"name": name, "namespace": "models"}
    inputs = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    return {"type": kind, "resource": {"urn": f"urn::{name}", "type": of, "inputs": inputs}}


def test_only_creates_of_objects_are_pending() -> None:
    others = [operation("b", "updating"), operation("c", of="pulumi:pulumi:Stack")]
    deployment = {"resources": [{"urn": "x"}], "pending_operations": [operation("a"), *others]}
    (found,) = pending_creates(deployment)
    assert (found.id, found.name) == ("models/a", "Service/a")

    taken = settled(deployment, [found])
    assert taken["pending_operations"] == others
    first, second = taken["resources"]
    assert first == {"urn": "x"}
    assert (second["id"], second["outputs"]) == ("models/a", found.body)
    assert second["initErrors"]

    assert settled(deployment, [])["resources"] == [{"urn": "x"}]


def test_a_stack_without_any_has_none() -> None:
    assert pending_creates({}) == []
    assert pending_creates({"pending_operations": None}) == []
