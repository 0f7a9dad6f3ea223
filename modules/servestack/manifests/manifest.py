"""The one type that passes from the builders to every sink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from servestack.errors import Location

Body = dict[str, Any]
"""A Kubernetes object as plain data: dict, list, str, int, float, bool. Never shared, never None."""

ENVIRONMENT_GROUP = "_environment"
"""Folder of the objects that belong to the environment and not to one model.

`kubectl apply -R` walks in byte order and model names start with a lower-case letter, so the
Namespace in here comes before everything that lives in it: what would come before it in here is
called `then-…`.
"""


@dataclass(frozen=True, slots=True)
class AppliedPatch:
    """A patch that is merged into an object: its number in the spec, its fields and their places.

    `locate` takes a path within `fields`.
    """

    number: int
    fields: Body
    locate: Callable[[tuple[str | int, ...]], Location] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Kubernetes object, and where it came from.

    `group` is the model's name, or ENVIRONMENT_GROUP; `concern` the module of servestack.manifests
    that made it (`workload`, `network`, ...); `builder` the function's dotted name; `source`
    the spec or environment file, relative to the project, with forward slashes. `patches` are
    merged into the body, the last one wins; `unpatched` is the body before them.
    """

    group: str
    concern: str
    builder: str
    source: str
    body: Body
    patches: tuple[AppliedPatch, ...] = ()
    unpatched: Body | None = None

    @property
    def api_version(self) -> str:
        return str(self.body["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for a cluster-scoped one."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def path(self) -> str:
        """Where `render` writes it below rendered/<env>/: `iris/deployment-iris.yaml`."""
        file = f"{self.kind.lower()}-{self.name}.yaml"
        is_early = self.group == ENVIRONMENT_GROUP and self.kind < "Namespace"
        return f"{self.group}/{'then-' if is_early else ''}{file}"
