"""The kinds of GPU that an environment has."""

from pydantic import Field

from servestack.spec.base import DnsName, LabelKey, LabelValue, SpecModel
from servestack.spec.scaling import ResourceName, Toleration


class GpuType(SpecModel):
    """A kind of GPU: what its device plugin calls it, and how pods get to its nodes."""

    resource: ResourceName = Field(
        default="nvidia.com/gpu", description="Name of the resource, as the device plugin has it."
    )
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None,
        description="Taints of its nodes. Default: a taint NoSchedule whose key is the resource.",
    )
    node_selector: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels of its nodes."
    )
    runtime_class: DnsName | None = Field(
        default=None, description="RuntimeClass that gives containers the GPU."
    )

    @property
    def tolerated(self) -> tuple[Toleration, ...]:
        """The taints that pods with this GPU tolerate."""
        if self.tolerations is not None:
            return self.tolerations
        return (tolerated_resource(self.resource),)


DEFAULT_TYPE = "default"


def tolerated_resource(resource: str) -> Toleration:
    """Return the toleration that Kubernetes' plugin ExtendedResourceToleration adds."""
    return Toleration.model_construct(key=resource, operator="Exists", effect="NoSchedule")
