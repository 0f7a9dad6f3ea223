"""What tells two pod templates of a model apart: its version, its settings, and its artifacts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from servestack.manifests import names
from servestack.manifests.manifest import Body, Manifest
from servestack.manifests.workload import CONFIG_DIGEST

ROLLOUT_API = "argoproj.io/v1alpha1"
VERSION_LABEL = f"{names.LABEL_DOMAIN}/version"
_WORKLOADS = (("apps/v1", "Deployment"), (ROLLOUT_API, "Rollout"))
_PIN = "--model="
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """Version, digest of the settings, and pinned artifacts of a pod template.

    Each is empty where the template does not say it. Resources, images and what a mutating webhook
    may change are not part of it.
    """

    version: str = ""
    config: str = ""
    pins: tuple[str, ...] = ()

    def difference(self, wanted: Mark) -> str:
        """What this template has that is not as `wanted`, in words; empty if nothing differs."""
        if self.version != wanted.version:
            return f"version {self.version or 'unknown'} instead of {wanted.version or 'unknown'}"
        if self.pins != wanted.pins:
            return f"another artifact of version {wanted.version}"
        if self.config != wanted.config:
            return (
                f"version {wanted.version} with other settings "
                f"({self.config[:_DIGITS] or 'none'} instead of {wanted.config[:_DIGITS]})"
            )
        return ""


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs a model's pods, as it is declared: a Deployment, or a Rollout of Argo.

    `model` is the model service; `name` is its own, or that of its shadow.
    """

    model: str
    name: str
    namespace: str
    kind: str
    mark: Mark


def workloads(manifests: Iterable[Manifest]) -> tuple[Workload, ...]:
    """The workloads among manifests, in the order of their names.

    A Rollout that takes its template from a Deployment (`workloadRef`) stands for both.
    """
    found = [m for m in manifests if (m.api_version, m.kind) in _WORKLOADS]
    templates = {m.name: m.body["spec"].get("template") for m in found if m.kind == "Deployment"}
    referenced = {ref for m in found if (ref := referenced_deployment(m.body))}
    return tuple(
        Workload(
            m.group,
            m.name,
            m.namespace,
            m.kind,
            mark_of(templates.get(referenced_deployment(m.body)) or m.body["spec"].get("template")),
        )
        for m in sorted(found, key=lambda m: (m.group, m.name, m.kind))
        if not (m.kind == "Deployment" and m.name in referenced)
    )


def referenced_deployment(body: Body) -> str:
    """The Deployment whose template a Rollout takes; empty if it has its own."""
    reference: Any = body["spec"].get("workloadRef") or {}
    return str(reference.get("name", "")) if body["kind"] == "Rollout" else ""


def mark_of(template: Body | None) -> Mark:
    """The mark of a pod template, declared or live."""
    metadata = (template or {}).get("metadata") or {}
    containers = ((template or {}).get("spec") or {}).get("containers") or ()
    arguments = [str(each) for c in containers for each in c.get("args") or ()]
    return Mark(
        (metadata.get("labels") or {}).get(VERSION_LABEL, ""),
        (metadata.get("annotations") or {}).get(CONFIG_DIGEST, ""),
        tuple(sorted(each for each in arguments if each.startswith(_PIN))),
    )
