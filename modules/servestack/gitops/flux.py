"""Flux's objects: a GitRepository that fetches, a Kustomization that applies.

Source: https://fluxcd.io/flux/components/source/gitrepositories/ and kustomize/kustomizations/.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from servestack.gitops.source import Source
from servestack.manifests.deadlines import rollout_seconds
from servestack.manifests.manifest import Body, Manifest

SOURCE_VERSION = "source.toolkit.fluxcd.io/v1"
APPLY_VERSION = "kustomize.toolkit.fluxcd.io/v1"
_SHORTEST_MINUTES = 5


def git_repository(name: str, in_namespace: str, source: Source, *, secret: str = "") -> Body:
    """Return a GitRepository. `secret` names the Secret beside it with the credentials."""
    spec: Body = {
        "interval": "1m",
        # The CRD's default, which would be a difference to what git says if it stood nowhere.
        "timeout": "60s",
        "url": source.repository,
        "ref": {_kind_of_revision(source): source.revision},
    }
    if secret:
        spec["secretRef"] = {"name": secret}
    return {
        "apiVersion": SOURCE_VERSION,
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": in_namespace},
        "spec": spec,
    }


def _kind_of_revision(source: Source) -> str:
    if source.is_commit:
        return "commit"
    return "name" if source.revision.startswith("refs/") else "branch"


def kustomization(
    name: str, in_namespace: str, source: Source, *, manifests: Sequence[Manifest], cascade: bool
) -> Body:
    """Return a Kustomization that applies a folder of the GitRepository of the same name.

    Only with `cascade` the models are deleted with it.
    """
    return {
        "apiVersion": APPLY_VERSION,
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": in_namespace},
        "spec": {
            "interval": "10m",
            "retryInterval": "2m",
            "timeout": f"{_minutes(manifests)}m",
            "sourceRef": {"kind": "GitRepository", "name": name},
            "path": f"./{source.path}",
            "prune": True,
            "wait": can_wait(manifests),
            "force": False,
            "deletionPolicy": "Delete" if cascade else "Orphan",
        },
    }


def can_wait(manifests: Sequence[Manifest]) -> bool:
    """Return whether Flux can tell when all objects are ready.

    It cannot for a Rollout, whose `status.observedGeneration` is text: Flux reads a number there
    before anything else, also before `healthCheckExprs`, and waits until its timeout
    (https://github.com/argoproj/argo-rollouts/issues/4672).
    """
    return all(manifest.kind != "Rollout" for manifest in manifests)


def _minutes(manifests: Sequence[Manifest]) -> int:
    """Whole minutes for the slowest model: all of them roll out at the same time."""
    groups: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        groups.setdefault(manifest.group, []).append(manifest)
    seconds = (rollout_seconds(group) or 0 for group in groups.values())
    return max(_SHORTEST_MINUTES, math.ceil(max(seconds, default=0) / 60))
