"""Objects that a killed run was creating: Pulumi does not know whether they came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PendingCreate:
    """A create without an end in a stack's state."""

    urn: str
    body: Mapping[str, Any]

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
    return [
        PendingCreate(operation["resource"]["urn"], operation["resource"]["inputs"])
        for operation in deployment.get("pending_operations") or ()
        if operation["type"] == "creating"
        and operation["resource"]["type"].startswith("kubernetes:")
    ]
