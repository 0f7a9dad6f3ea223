"""How much of the cluster a model takes: resources of a pod, number of pods, where they run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servestack.spec.base import DnsName, Integer, LabelKey, LabelValue, Percent, SpecModel, Text
from servestack.spec.quantities import Cpu, Memory


class ResourceLimits(SpecModel):
    """The most that the server container may use. Left out: the same as it asks for."""

    cpu: Cpu | None = Field(default=None, description="Above it the container is slowed down.")
    memory: Memory | None = Field(default=None, description="Above it the container is killed.")
    ephemeral_storage: Memory = Field(
        default="1Gi", description="Disk for the artifact, the log files and temporary files."
    )


class Resources(SpecModel):
    """What the server container asks for."""

    cpu: Cpu = Field(default="500m", description="CPU that is set aside for the container.")
    memory: Memory = Field(default="512Mi", description="Memory that is set aside.")
    limits: ResourceLimits = Field(default=ResourceLimits(), description="The most it may use.")


class ScaleDown(SpecModel):
    """How cautiously pods are taken away."""

    stabilization_seconds: Integer = Field(
        default=300, ge=0, le=3600, description="Time the load must stay low."
    )
    percent_per_minute: Percent = Field(
        default=25, description="Share of the pods taken away in a minute at most."
    )


class Autoscaling(SpecModel):
    """A HorizontalPodAutoscaler: between `min` and `max` pods, as the load asks."""

    min: Integer = Field(default=2, ge=1, le=1000, description="Fewest pods.")
    max: Integer = Field(default=6, ge=1, le=1000, description="Most pods.")
    cpu_percent: Percent | None = Field(
        default=70, description="Target share of the server container's CPU request; null for none."
    )
    in_flight_per_pod: Integer | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Target of requests being worked on in a pod. Needs a custom-metrics API.",
    )
    scale_down: ScaleDown = Field(default=ScaleDown(), description="How pods are taken away.")


class Toleration(SpecModel):
    """A node taint that the pods tolerate, as in the Kubernetes API."""

    key: LabelKey | None = Field(default=None, description="Taint key; left out: every taint.")
    operator: Literal["Exists", "Equal"] = Field(default="Equal", description="How to compare.")
    value: LabelValue | None = Field(default=None, description="Taint value, with Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect; left out: every effect."
    )


class Scheduling(SpecModel):
    """Which nodes the pods run on."""

    node_selector: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field(default=(), description="Taints tolerated.")
    priority_class: DnsName | None = Field(
        default=None, description="Name of a PriorityClass of the cluster."
    )
    spread_over: Text = Field(
        default="kubernetes.io/hostname",
        description="Node label over whose values the pods are spread.",
    )
