"""Compares one declared object with the live one, by a dry run of applying it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from servestack.errors import Problem
from servestack.live.client import Cluster
from servestack.live.failures import RefusedError
from servestack.live.ownership import (
    FIELD_MANAGER,
    MANAGED_BY_LABEL,
    applying_manager,
    item_at,
)
from servestack.manifests.kinds import KINDS, Kind
from servestack.manifests.manifest import Body, Manifest
from servestack.manifests.names import MANAGED_BY
from servestack.review.diff import Key, Path, compare_data

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BOOKKEEPING = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")

Listed = dict[str, Body] | Problem
"""Our objects of one kind by name, or the problem that prevented listing them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is declared, what the cluster has (None: nothing), and what applying would make of it.

    An object with a `problem` could not be compared.
    """

    declared: Manifest
    live: Body | None = None
    desired: Body | None = None
    problem: Problem | None = None


def compare_object(cluster: Cluster, manifest: Manifest, of_kind: dict[Kind, Listed]) -> Compared:
    """Compare one object by a dry run. Raises ClusterError if the cluster does not answer."""
    kind = KINDS[manifest.api_version, manifest.kind]
    listed = of_kind.get(kind, {})
    if isinstance(listed, Problem):
        about = f"{manifest.kind}/{manifest.name}: " if listed.id == "SRV537" else ""
        return Compared(manifest, problem=replace(listed, message=about + listed.message))
    try:
        # An object that lost its label is not listed.
        live = listed.get(manifest.name) or cluster.get(kind, manifest.namespace, manifest.name)
        manager = applying_manager(live)
        desired = cluster.dry_run(kind, manifest.body, manager or FIELD_MANAGER)
    except RefusedError as error:
        return Compared(manifest, problem=error.problems[0])
    if live is None:
        return Compared(manifest)
    if manager is None:
        desired = _without_what_kubectl_removes(live, desired, manifest.body)
    return Compared(manifest, live, desired)


def is_ours(cluster: Cluster, body: Mapping[str, Any]) -> bool:
    """Whether the cluster has this object, made by servestack. Raises ClusterError."""
    kind = KINDS.get((body["apiVersion"], body["kind"]))
    metadata = body["metadata"]
    if kind is None:
        return False
    live = cluster.get(kind, metadata.get("namespace", ""), metadata["name"]) or {}
    labels = live.get("metadata", {}).get("labels", {})
    return bool(labels.get(MANAGED_BY_LABEL) == MANAGED_BY)


def plain(body: Body) -> Body:
    """An object without what the API maintains: its status and the bookkeeping in metadata."""
    metadata = {key: v for key, v in body["metadata"].items() if key not in _BOOKKEEPING}
    annotations = metadata.pop("annotations", None) or {}
    if kept := {key: v for key, v in annotations.items() if key != LAST_APPLIED}:
        metadata["annotations"] = kept
    return {key: v for key, v in body.items() if key != "status"} | {"metadata": metadata}


def _without_what_kubectl_removes(live: Body, desired: Body, declared: Body) -> Body:
    """Remove what a client-side `kubectl apply` would: applied before, and no longer declared."""
    try:
        last = json.loads(live["metadata"]["annotations"][LAST_APPLIED])
    except (KeyError, ValueError):
        # Nobody did so, or somebody wrote into the annotation, which kubectl then refuses.
        return desired
    for operation, path, _, _ in compare_data(last, declared):
        if operation == "remove":
            _remove(desired, path)
    return desired


def _remove(body: Any, path: Path) -> None:
    name = ""
    for depth, part in enumerate(path):
        index: Any = part
        if isinstance(part, Key) and isinstance(body, list):
            index = item_at(body, body, name, part)
            if index is None:
                return
        elif not isinstance(body, dict) or part not in body:
            return
        if depth == len(path) - 1:
            del body[index]
            return
        body, name = body[index], str(part)
