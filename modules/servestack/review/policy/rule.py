"""The types of a rule, of what it checks and of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from servestack.manifests.kinds import WORKLOADS
from servestack.manifests.manifest import Body, Manifest
from servestack.manifests.server_settings import server_settings
from servestack.resolve.resolved import ResolvedService
from servestack.spec.pod_rules import containers_of
from servestack_contract.settings import ServerSettings

Severity = Literal["error", "warning", "note"]
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Subject:
    """One model in one environment: its resolved form and its manifests."""

    service: ResolvedService
    manifests: tuple[Manifest, ...]

    @cached_property
    def deployment(self) -> Body:
        """The model's Deployment, or the Rollout in its place."""
        return next(m.body for m in self.manifests if m.kind in WORKLOADS)

    @cached_property
    def settings(self) -> ServerSettings:
        """The settings that the server reads."""
        return server_settings(self.service)

    @property
    def pod(self) -> dict[str, Any]:
        """The pod template's spec."""
        spec: dict[str, Any] = self.deployment["spec"]["template"]["spec"]
        return spec

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Every container of the pod, init containers and sidecars too."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    def path_of(self, container: dict[str, Any]) -> Path:
        """The path in the spec of a container that the spec adds; empty for servestack's own."""
        name = container["name"]
        found = (at for at, given in containers_of(self.service.spec) if given.name == name)
        return next(found, ())


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule found.

    `path` is the field to correct: in the spec, or with `environment` in the environment's file.
    """

    path: Path
    message: str
    hint: str = ""
    environment: bool = False


Check = Callable[[Subject], Iterator[Violation]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy. `title` completes the sentence "the model …"."""

    id: str
    severity: Severity
    title: str
    check: Check


_REGISTERED: list[Rule] = []


def rule(id: str, severity: Severity, title: str) -> Callable[[Check], Rule]:
    """Decorator that registers a function as a rule of the policy."""

    def register(check: Check) -> Rule:
        made = Rule(id, severity, title, check)
        _REGISTERED.append(made)
        return made

    return register


def registered() -> tuple[Rule, ...]:
    """The rules of all modules that were imported, by id."""
    return tuple(sorted(_REGISTERED, key=lambda rule: rule.id))
