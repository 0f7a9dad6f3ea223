"""Affinity of the pods to nodes and to other pods, with the fields of the Kubernetes API.

A test compares every class with the Kubernetes schema that `servestack check` uses.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import DnsLabel, Integer, LabelKey, LabelValue, SpecModel

Weight = Annotated[Integer, Field(ge=1, le=100)]
SelectorValue = Annotated[str, StringConstraints(max_length=253)]


class NodeSelectorRequirement(SpecModel):
    """A condition on a label or field of a node."""

    key: LabelKey = Field(description="Label or field.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="`In` and `NotIn` compare with values, `Gt` and `Lt` with one whole number."
    )
    values: tuple[SelectorValue, ...] = Field(
        default=(), description="Values; none with Exists and DoesNotExist."
    )


class NodeSelectorTerm(SpecModel):
    """Conditions that a node must all meet."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = Field(
        default=(), description="Conditions on labels."
    )
    match_fields: tuple[NodeSelectorRequirement, ...] = Field(
        default=(), description="Conditions on fields; Kubernetes knows metadata.name."
    )


class NodeSelector(SpecModel):
    """Terms of which a node must meet at least one."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = Field(
        min_length=1, description="Terms; one of them must match."
    )


class PreferredSchedulingTerm(SpecModel):
    """A term that the scheduler prefers."""

    weight: Weight = Field(description="Weight of the preference, 1 to 100.")
    preference: NodeSelectorTerm = Field(description="Conditions that the node should meet.")


class NodeAffinity(SpecModel):
    """Nodes that the pods must, or should, run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Nodes that the pods must run on."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = (
        Field(default=(), description="Nodes that the pods should run on.")
    )


class LabelSelectorRequirement(SpecModel):
    """A condition on a label of a pod or namespace."""

    key: LabelKey = Field(description="Label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="`In` and `NotIn` compare with values."
    )
    values: tuple[LabelValue, ...] = Field(
        default=(), description="Values; none with Exists and DoesNotExist."
    )


class LabelSelector(SpecModel):
    """Labels of pods or namespaces. An empty selector matches all of them."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels with these values."
    )
    match_expressions: tuple[LabelSelectorRequirement, ...] = Field(
        default=(), description="Further conditions."
    )


class PodAffinityTerm(SpecModel):
    """Pods to be near to, or apart from, in the sense of a label of their nodes."""

    label_selector: LabelSelector | None = Field(
        default=None, description="Labels of those pods. Default: the model's own pods."
    )
    topology_key: LabelKey = Field(
        description="Label of nodes: those with the same value are one place.",
        examples=["kubernetes.io/hostname"],
    )
    namespaces: tuple[DnsLabel, ...] = Field(
        default=(), description="Namespaces of those pods. Default: the model's own."
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Labels of the namespaces of those pods."
    )
    match_label_keys: tuple[LabelKey, ...] = Field(
        default=(), description="Labels that must have the same value as on the new pod."
    )
    mismatch_label_keys: tuple[LabelKey, ...] = Field(
        default=(), description="Labels that must have another value than on the new pod."
    )


class WeightedPodAffinityTerm(SpecModel):
    """A term that the scheduler prefers."""

    weight: Weight = Field(description="Weight of the preference, 1 to 100.")
    pod_affinity_term: PodAffinityTerm = Field(description="The pods and the place.")


class PodAffinity(SpecModel):
    """Pods to be near to."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = Field(
        default=(), description="Pods that there must be."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = (
        Field(default=(), description="Pods that there should be.")
    )


class PodAntiAffinity(PodAffinity):
    """Pods to be apart from."""


class Affinity(SpecModel):
    """Affinity of the pods, as the Kubernetes API writes it."""

    node_affinity: NodeAffinity | None = Field(
        default=None, description="Nodes that the pods must, or should, run on."
    )
    pod_affinity: PodAffinity | None = Field(default=None, description="Pods to be near to.")
    pod_anti_affinity: PodAntiAffinity | None = Field(
        default=None, description="Pods to be apart from."
    )
