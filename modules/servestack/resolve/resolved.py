"""The input of the builders: one model service in one environment, fully resolved."""

from __future__ import annotations

from dataclasses import dataclass

from servestack.resolve.lock import LockedArtifact
from servestack.resolve.provenance import Provenance
from servestack.spec.api import Input
from servestack.spec.columns import Param
from servestack.spec.environment import Environment
from servestack.spec.image import Image
from servestack.spec.model_service import ModelService
from servestack.spec.rollouts import Rollouts
from servestack_contract.events import KINDS, Kind


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """One model of the service and its pinned artifact."""

    name: str
    artifact: LockedArtifact


@dataclass(frozen=True, slots=True)
class Topics:
    """Kafka topics by kind of event; empty if the kind is not shipped."""

    predictions: str = ""
    feedback: str = ""
    access: str = ""
    custom: str = ""

    def shipped(self) -> tuple[tuple[Kind, str], ...]:
        """Return (kind, topic) of every kind that is shipped."""
        return tuple((kind, topic) for kind in KINDS if (topic := getattr(self, kind)))


@dataclass(frozen=True, slots=True)
class ResolvedService:
    """One model service in one environment.

    - `spec` holds the effective values (defaults < environment < spec < override).
    - `input` holds the columns of the spec, or else of the signature; `params` likewise.
    - `hosts` are the public host names, the main one first; empty without external access.
    - `url` is the public or in-cluster address up to the base path.
    - `source` is the spec's path in the project.
    - `shadow` is the pinned artifact of the model's shadow; None without one.
    - `shadow_of` is the name of the model whose shadow this is (see `resolve.shadow`); else empty.
    """

    spec: ModelService
    environment: Environment
    models: tuple[ResolvedModel, ...]
    input: Input
    params: tuple[Param, ...]
    image: Image
    hosts: tuple[str, ...]
    url: str
    topics: Topics
    source: str
    provenance: Provenance
    shadow: ResolvedModel | None = None
    shadow_of: str = ""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def host(self) -> str:
        """The first public host name, or "" without external access."""
        return self.hosts[0] if self.hosts else ""

    @property
    def namespace(self) -> str:
        return self.environment.namespace

    @property
    def rollouts(self) -> Rollouts | None:
        """The controller that carries out the rollouts of this model; None if a Deployment does."""
        is_rolling = self.spec.rollout.strategy == "rolling"
        return None if is_rolling else self.environment.rollouts

    @property
    def has_two_sides(self) -> bool:
        """Whether the stable and the new version have a Service each during a rollout.

        Not where a canary's share of the requests is its share of the pods.
        """
        if self.rollouts is None:
            return False
        is_routed = bool(self.rollouts.router and self.hosts)
        return is_routed or self.spec.rollout.strategy == "blueGreen"

    @property
    def version(self) -> str:
        """The version that the pods report: the model's, or the digest's first 12 digits."""
        first = self.models[0].artifact
        return first.version or first.sha256[:12] or "unpinned"
