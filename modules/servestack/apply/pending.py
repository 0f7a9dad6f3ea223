"""Objects that a killed run was creating: Pulumi does not know whether they exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PendingCreate:
    """A create operation that a stack's state records as unfinished."""

    resource: Mapping[str, Any]

    @property
    def body(self) -> Mapping[str, Any]:
        """The object as it was declared."""
        body: Mapping[str, Any] = self.resource["inputs"]
        return body

    @property
    def id(self) -> str:
        """The object's id in the state of the Kubernetes plugin: `namespace/name`."""
        metadata = self.body["metadata"]
        return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))

    @property
    def name(self) -> str:
        """As users name it: `Deployment/iris`."""
        return f"{self.body['kind']}/{self.body['metadata']['name']}"


def pending_creates(deployment: Mapping[str, Any]) -> list[PendingCreate]:
    """The pending creates of Kubernetes objects in an exported deployment."""
    operations = deployment.get("pending_operations") or ()
    return [
        PendingCreate(operation["resource"]) for operation in operations if _is_create(operation)
    ]


def settled(deployment: Mapping[str, Any], made: Sequence[PendingCreate]) -> dict[str, Any]:
    """The deployment without pending creates, and with the objects that were made.

    Their `initErrors` make the next update apply them again and wait for them, as for any other
    object that has not been ready yet.
    """
    pending = deployment.get("pending_operations") or ()
    unfinished = "an earlier run was killed before this was ready"
    taken_up = [
        {**create.resource, "id": create.id, "outputs": create.body, "initErrors": [unfinished]}
        for create in made
    ]
    return {
        **deployment,
        "resources": [*deployment.get("resources", ()), *taken_up],
        "pending_operations": [operation for operation in pending if not _is_create(operation)],
    }


def _is_create(operation: Mapping[str, Any]) -> bool:
    is_object = operation["resource"]["type"].startswith("kubernetes:")
    return bool(is_object and operation["type"] == "creating")
