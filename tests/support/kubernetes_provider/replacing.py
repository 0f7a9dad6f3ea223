"""Which changes replace an object, after provider/pkg/provider/diff.go of the official plugin."""

from __future__ import annotations

from tests.support.kubernetes_client import Body

_IDENTITY = ("metadata.name", "metadata.namespace")
_BY_KIND = {
    "Deployment": ("spec.selector",),
    "StatefulSet": (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    "Service": ("spec.clusterIP",),
    "Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
}
"""The kinds of ours that have such fields. A PodDisruptionBudget has them only in v1beta1."""


def replacing_fields(body: Body, *, patch: bool, mutable: frozenset[str]) -> tuple[str, ...]:
    """Paths whose change replaces this object. `mutable` are the kinds of data to change in place."""
    if patch:
        return _IDENTITY
    kind, frozen = body["kind"], body.get("immutable") is True
    if kind == "Secret" and body["apiVersion"] == "v1":
        data = () if kind in mutable and not frozen else ("stringData", "data")
        return (*_IDENTITY, "type", *data)
    if kind == "ConfigMap" and body["apiVersion"] == "v1":
        return _IDENTITY if kind in mutable and not frozen else (*_IDENTITY, "binaryData", "data")
    return (*_IDENTITY, *_BY_KIND.get(kind, ()))


def replaces(path: str, fields: tuple[str, ...]) -> bool:
    """Whether a changed path lies in one of the fields."""
    return any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in fields)
