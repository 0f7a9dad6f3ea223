"""Resources of a pod, the number of pods, and where they run."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.affinity import Affinity
from servestack.spec.base import (
    DnsLabel,
    DnsName,
    Integer,
    LabelKey,
    LabelValue,
    Percent,
    SpecModel,
    Text,
)
from servestack.spec.merging import Merged
from servestack.spec.patterns import described
from servestack.spec.quantities import Cpu, Memory

RESOURCE_NAME = described(
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    "a resource of a device plugin, such as nvidia.com/gpu or nvidia.com/mig-1g.5gb",
)
ResourceName = Annotated[str, StringConstraints(pattern=RESOURCE_NAME, max_length=317)]


class ResourceLimits(SpecModel):
    """Resource limits of the server container. CPU and memory default to its requests."""

    cpu: Cpu | None = Field(
        default=None, description="CPU limit. Above it the container is throttled."
    )
    memory: Memory | None = Field(
        default=None, description="Memory limit. Above it the container is killed."
    )
    ephemeral_storage: Memory = Field(
        default="1Gi", description="Disk for the artifact, the log files and temporary files."
    )


class Gpu(SpecModel):
    """GPUs of the server container, each of them whole."""

    count: Annotated[Integer, Field(ge=1, le=64)] = Field(description="Number of GPUs.")
    type: DnsLabel = Field(
        default="default", description="Kind of GPU, one of the environment's `gpus`."
    )


class Resources(SpecModel):
    """Resource requests of the server container."""

    cpu: Cpu = Field(default="500m", description="CPU that the cluster reserves for the container.")
    memory: Memory = Field(
        default="512Mi", description="Memory that the cluster reserves for the container."
    )
    limits: ResourceLimits = Field(
        default=ResourceLimits.model_construct(), description="Resource limits of the container."
    )
    gpu: Gpu | None = Field(
        default=None,
        description="GPUs. The environment knows their resource, taints and nodes. Default: none.",
    )
    extended: dict[ResourceName, Annotated[Integer, Field(ge=1)]] = Field(
        default={},
        description="Other resources of device plugins, by their full name. The pods tolerate a taint "
        "NoSchedule whose key is that name.",
        examples=[{"nvidia.com/mig-1g.5gb": 1}],
    )


class ScaleDown(SpecModel):
    """How slowly the autoscaler removes pods."""

    stabilization_seconds: Integer = Field(
        default=300,
        ge=0,
        le=3600,
        description="Time that the load must stay low before pods are removed, in seconds.",
    )
    percent_per_minute: Percent = Field(
        default=25, description="Maximum share of the pods removed in a minute, in percent."
    )


class Autoscaling(SpecModel):
    """A HorizontalPodAutoscaler, which keeps between `min` and `max` pods by load."""

    min: Integer = Field(default=2, ge=1, le=1000, description="Minimum number of pods.")
    max: Integer = Field(default=6, ge=1, le=1000, description="Maximum number of pods.")
    cpu_percent: Percent | None = Field(
        default=70,
        description="Target CPU use, in percent of the server container's request; null for none.",
    )
    in_flight_per_pod: Integer | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Target number of requests in flight in a pod. Needs a custom-metrics API.",
    )
    scale_down: ScaleDown = Field(
        default=ScaleDown.model_construct(), description="How slowly pods are removed."
    )


class Toleration(SpecModel):
    """A taint of a cluster's node that the pods tolerate, as in the Kubernetes API."""

    key: LabelKey | None = Field(default=None, description="Taint key. Default: every taint.")
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="`Equal` compares the value, `Exists` accepts any."
    )
    value: LabelValue | None = Field(default=None, description="Taint value; used with Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect. Default: every effect."
    )


class TopologySpread(SpecModel):
    """How evenly the pods are spread, as in the Kubernetes API. It counts the model's own pods."""

    topology_key: LabelKey = Field(
        description="Label of cluster nodes. The pods are spread over its values.",
        examples=["topology.kubernetes.io/zone"],
    )
    max_skew: Integer = Field(
        default=1, ge=1, description="Maximum difference of the number of pods."
    )
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = Field(
        default="ScheduleAnyway",
        description="`ScheduleAnyway` prefers an even spread, `DoNotSchedule` requires it.",
    )
    min_domains: Integer | None = Field(
        default=None, ge=1, description="Minimum number of values; used with DoNotSchedule."
    )


class Scheduling(SpecModel):
    """Which of the cluster's nodes run the pods."""

    node_selector: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels that a node must have."
    )
    tolerations: Annotated[tuple[Toleration, ...], Merged()] = Field(
        default=(), description="Taints that the pods tolerate."
    )
    priority_class: DnsName | None = Field(
        default=None, description="Name of a PriorityClass of the cluster."
    )
    spread_over: Text = Field(
        default="kubernetes.io/hostname",
        description="Label of cluster nodes. The pods are spread evenly over its values.",
    )
    topology_spread: tuple[TopologySpread, ...] | None = Field(
        default=None, description="How the pods are spread, in detail. It replaces `spreadOver`."
    )
    affinity: Affinity = Field(
        default=Affinity.model_construct(),
        description="Nodes and pods to be near to, or apart from.",
    )
    runtime_class: DnsName | None = Field(
        default=None, description="Name of a RuntimeClass. Default: that of the GPU, if it has one."
    )
