"""Component resources: the environment's base, and one per model with a child per concern."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pulumi

from servestack.apply.resource_types import declare_manifest
from servestack.apply.timeouts import ready_timeouts
from servestack.manifests.kinds import KINDS, WORKLOADS
from servestack.manifests.manifest import Manifest
from servestack.resolve.resolved import ResolvedService

Declared = list[tuple[Manifest, pulumi.Resource]]
"""Manifests and the resources that declare them, in their order."""

_PACKAGE = "servestack:index"


class EnvironmentBase(pulumi.ComponentResource):
    """What the environment has once: its namespace and its default network policy.

    `shared` is the provider for the namespace, which may belong to somebody else.
    """

    def __init__(
        self,
        name: str,
        manifests: Sequence[Manifest],
        shared: pulumi.ProviderResource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(f"{_PACKAGE}:EnvironmentBase", name, {}, opts)
        _declare_in_order(manifests, self, [], shared=shared)
        self.register_outputs({})


class Concern(pulumi.ComponentResource):
    """The objects of one concern of a model: `Workload`, `Network`, `Monitoring`, …

    `declared` is what the model has so far; the objects are added to it.
    """

    def __init__(
        self,
        concern: str,
        model: str,
        manifests: Sequence[Manifest],
        declared: Declared,
        timeouts: pulumi.CustomTimeouts | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(f"{_PACKAGE}:{_camel(concern)}", f"{model}/{concern}", {}, opts)
        _declare_in_order(manifests, self, declared, timeouts)
        self.register_outputs({})


class ModelService(pulumi.ComponentResource):
    """One model in production. Outputs: `url`, `docs`, `topics`, `dashboard`, `version`."""

    def __init__(
        self,
        service: ResolvedService,
        manifests: Sequence[Manifest],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(f"{_PACKAGE}:ModelService", service.name, {}, opts)
        declared: Declared = []
        of_model = pulumi.ResourceOptions(parent=self)
        timeouts = ready_timeouts(manifests)
        for concern, of_concern in groupby(manifests, key=lambda manifest: manifest.concern):
            Concern(concern, service.name, list(of_concern), declared, timeouts, of_model)
        self.summary = summary_of(service, manifests)
        self.register_outputs(self.summary)


def summary_of(service: ResolvedService, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """A stack's outputs for a model: names and addresses, never the value of a secret."""
    dashboards = [m.name for m in manifests if m.builder.endswith("build_dashboard_config_map")]
    return {
        "url": service.url,
        "docs": f"{service.url}/docs",
        "version": service.version,
        "topics": dict(service.topics.shipped()),
        "dashboard": dashboards[0] if dashboards else "",
    }


def _declare_in_order(
    manifests: Sequence[Manifest],
    parent: pulumi.Resource,
    declared: Declared,
    timeouts: pulumi.CustomTimeouts | None = None,
    shared: pulumi.ProviderResource | None = None,
) -> None:
    for manifest in manifests:
        # Objects wait for each other, never components: if an update continues after an error, a
        # component that is skipped ends the program.
        before = [resource for other, resource in declared if _waits_for(manifest, other)]
        opts = pulumi.ResourceOptions(parent=parent, depends_on=before, custom_timeouts=timeouts)
        if manifest.kind == "Namespace":
            opts.provider = shared
        if KINDS[manifest.api_version, manifest.kind].keeps_data:
            opts.retain_on_delete = True
        resource = declare_manifest(manifest, manifest.path.removesuffix(".yaml"), opts)
        declared.append((manifest, resource))


def _waits_for(manifest: Manifest, other: Manifest) -> bool:
    """Whether the other object must exist first.

    Pods read their configuration when they start: if a Deployment were updated first, its new pods
    could start with the old configuration.
    """
    if other.kind == "Namespace":
        return manifest.namespace == other.name
    return manifest.kind in WORKLOADS and KINDS[other.api_version, other.kind].for_pods


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
