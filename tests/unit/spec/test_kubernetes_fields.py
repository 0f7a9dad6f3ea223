"""The sections that have Kubernetes' own fields have those of the schema that `check` uses."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from servestack.review.validate import load_schema
from servestack.spec import affinity, containers, scaling, volumes
from servestack.spec.base import fields_of
from servestack.spec.problems import models_in

SCHEMA = load_schema("Deployment") or {}
CORE, META = "io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."

WHOLE: list[tuple[type[BaseModel], str]] = [
    (affinity.Affinity, f"{CORE}Affinity"),
    (affinity.NodeAffinity, f"{CORE}NodeAffinity"),
    (affinity.NodeSelector, f"{CORE}NodeSelector"),
    (affinity.NodeSelectorTerm, f"{CORE}NodeSelectorTerm"),
    (affinity.NodeSelectorRequirement, f"{CORE}NodeSelectorRequirement"),
    (affinity.PreferredSchedulingTerm, f"{CORE}PreferredSchedulingTerm"),
    (affinity.PodAffinity, f"{CORE}PodAffinity"),
    (affinity.PodAntiAffinity, f"{CORE}PodAntiAffinity"),
    (affinity.PodAffinityTerm, f"{CORE}PodAffinityTerm"),
    (affinity.WeightedPodAffinityTerm, f"{CORE}WeightedPodAffinityTerm"),
    (affinity.LabelSelector, f"{META}LabelSelector"),
    (affinity.LabelSelectorRequirement, f"{META}LabelSelectorRequirement"),
]
PARTS: list[tuple[type[BaseModel], str, set[str]]] = [
    (scaling.Toleration, "Toleration", set()),
    (scaling.TopologySpread, "TopologySpreadConstraint", set()),
    (volumes.ConfigMapVolume, "ConfigMapVolumeSource", set()),
    (volumes.SecretVolume, "SecretVolumeSource", set()),
    (volumes.PersistentVolumeClaimVolume, "PersistentVolumeClaimVolumeSource", set()),
    (volumes.EmptyDirVolume, "EmptyDirVolumeSource", set()),
    (volumes.CsiVolume, "CSIVolumeSource", set()),
    (volumes.EphemeralVolume, "EphemeralVolumeSource", set()),
    (volumes.ClaimTemplate, "PersistentVolumeClaimTemplate", set()),
    (volumes.ClaimSpec, "PersistentVolumeClaimSpec", set()),
    (volumes.ProjectedVolume, "ProjectedVolumeSource", set()),
    (volumes.ProjectedSource, "VolumeProjection", set()),
    (volumes.ProjectedSecret, "SecretProjection", set()),
    (volumes.ServiceAccountToken, "ServiceAccountTokenProjection", set()),
    (volumes.VolumeMount, "VolumeMount", set()),
    (volumes.KeyToPath, "KeyToPath", set()),
    # Where the server sees the volume is said with it.
    (volumes.Volume, "Volume", {"mountPath", "subPath", "readOnly"}),
    (containers.Sidecar, "Container", set()),
    (containers.ContainerPort, "ContainerPort", set()),
]
"""Class, definition, and the fields that are servestack's own."""


@pytest.mark.parametrize(("model", "definition"), WHOLE, ids=lambda value: getattr(value, "__name__", ""))  # fmt: skip
def test_the_affinity_is_all_of_kubernetes(model: type[BaseModel], definition: str) -> None:
    schema, fields = SCHEMA["$defs"][definition], fields_of(model)
    assert set(fields) == set(schema["properties"])
    required = {name for name, info in fields.items() if info.is_required()}
    assert required == set(schema.get("required", ()))
    for name, described in schema["properties"].items():
        annotation = fields[name].annotation
        assert is_list(annotation) == (described.get("type") == "array"), name
        inner = described.get("items", described).get("$ref", "").rpartition("/")[2]
        nested = models_in(annotation)
        assert [cls.__name__ for cls in nested] == ([inner.rpartition(".")[2]] if inner else [])


def is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(
        get_origin(argument) is tuple for argument in get_args(annotation)
    )


@pytest.mark.parametrize(("model", "definition", "own"), PARTS, ids=lambda value: getattr(value, "__name__", ""))  # fmt: skip
def test_other_sections_have_names_of_kubernetes(
    model: type[BaseModel], definition: str, own: set[str]
) -> None:
    known = set(SCHEMA["$defs"][f"{CORE}{definition}"]["properties"])
    assert set(fields_of(model)) - own <= known


def test_no_volume_of_the_node_is_offered() -> None:
    assert set(volumes.SOURCES) == set(fields_of(volumes.Volume)) - {
        "name", "mountPath", "subPath", "readOnly",
    }  # fmt: skip
    assert "hostPath" not in volumes.SOURCES
