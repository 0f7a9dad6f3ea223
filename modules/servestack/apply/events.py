"""Collects the engine's events: what it plans, what it has begun, what failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_FOLLOWS = ("update failed", "preview failed", "cannot complete a resource")
"""Beginnings of messages with which Pulumi reports an earlier failure again."""


@dataclass(frozen=True)
class Step:
    """One operation on one resource, such as update of `iris/deployment-iris`."""

    operation: str
    kind: str
    name: str
    urn: str = field(default="", compare=False)

    @property
    def deletes(self) -> bool:
        """Whether the step deletes an object. A deletion within a replacement counts too."""
        return is_owned(self.kind) and self.operation in ("delete", "delete-replaced")


def kind_of(resource_type: str) -> str:
    """`Deployment` for `kubernetes:apps/v1:Deployment`; empty for other resources."""
    return resource_type.rpartition(":")[2] if resource_type.startswith("kubernetes:") else ""


def is_owned(kind: str) -> bool:
    """Whether deleting the resource deletes an object; a patch only releases its fields."""
    return bool(kind) and not kind.endswith("Patch")


class Events:
    """Collects the events of one operation of the engine.

    `errors` has (resource, message), `planned` and `begun` the steps; `on_begin` is called with
    each step of an update as it begins.
    """

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []
        self.planned: list[Step] = []
        self.begun: list[Step] = []
        self.on_begin: Callable[[Step], Any] = lambda step: None

    def take(self, event: Any) -> None:
        """Keep an event of pulumi.automation if it reports an error or a step."""
        said = getattr(event, "diagnostic_event", None)
        if said is not None and said.severity == "error":
            name = "" if not said.urn else said.urn.rpartition("::")[2]
            message = re.sub(r"<\{%.*?%\}>", "", said.message).strip()
            if message and not message.startswith(_FOLLOWS):
                self.errors.append((name, message))
        before = getattr(event, "resource_pre_event", None)
        if before is not None:
            self._take_step(before)

    def forget(self) -> None:
        """Begin a new operation."""
        self.errors, self.planned, self.begun = [], [], []

    def _take_step(self, before: Any) -> None:
        data = before.metadata
        operation = str(getattr(data.op, "value", data.op))
        step = Step(operation, kind_of(data.type), data.urn.rpartition("::")[2], data.urn)
        if before.planning:
            self.planned.append(step)
        else:
            self.begun.append(step)
            self.on_begin(step)
