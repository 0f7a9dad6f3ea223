"""Volumes of the pods, with the names of the Kubernetes API. A path of the node is not offered."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import SECRET_KEY, Boolean, DnsLabel, DnsName, Integer, SpecModel, Text
from servestack.spec.image import Image
from servestack.spec.patterns import described
from servestack.spec.quantities import Memory

MOUNT_PATH = described(
    r"^(/\.?[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+$",
    "an absolute path such as /data/lookup, without a slash at the end",
)
SUB_PATH = described(
    r"^\.?[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*(/\.?[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)*$",
    "a relative path such as tables/plans.csv",
)
MountPath = Annotated[str, StringConstraints(pattern=MOUNT_PATH, max_length=400)]
SubPath = Annotated[str, StringConstraints(pattern=SUB_PATH, max_length=400)]


class VolumeMount(SpecModel):
    """Where a container sees a volume."""

    name: DnsLabel = Field(description="Name of one of the volumes in `volumes`.")
    mount_path: MountPath = Field(description="Folder in the container.")
    sub_path: SubPath | None = Field(
        default=None, description="Folder or file in the volume. Default: the whole volume."
    )
    read_only: Boolean | None = Field(
        default=None,
        description="Whether the container may only read. Default: true, except for the volumes "
        "that begin empty: emptyDir and ephemeral.",
    )


class KeyToPath(SpecModel):
    """A key that becomes a file."""

    key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        description="Key of the ConfigMap or Secret."
    )
    path: SubPath = Field(description="Path of the file in the volume.")


class ConfigMapVolume(SpecModel):
    """The keys of an existing ConfigMap, as files."""

    name: DnsName = Field(description="Name of the ConfigMap.")
    items: tuple[KeyToPath, ...] = Field(default=(), description="Keys. Default: all.")
    optional: Boolean = Field(default=False, description="Start without it if it is missing.")


class SecretVolume(SpecModel):
    """The keys of an existing Secret, as files."""

    secret_name: DnsName = Field(description="Name of the Secret.")
    items: tuple[KeyToPath, ...] = Field(default=(), description="Keys. Default: all.")
    optional: Boolean = Field(default=False, description="Start without it if it is missing.")


class PersistentVolumeClaimVolume(SpecModel):
    """An existing claim in the environment's namespace."""

    claim_name: DnsName = Field(
        description="Name of the PersistentVolumeClaim. Pods on several nodes can share it only with "
        "access mode ReadOnlyMany or ReadWriteMany."
    )


class StorageRequests(SpecModel):
    """The size of a claim."""

    storage: Memory = Field(description="Size of the volume.")


class ClaimResources(SpecModel):
    """What a claim asks for."""

    requests: StorageRequests = Field(description="The size of the claim.")


class ClaimSpec(SpecModel):
    """The claim of an ephemeral volume."""

    access_modes: tuple[Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"], ...] = Field(
        default=("ReadWriteOnce",), min_length=1, description="Access modes of the claim."
    )
    storage_class_name: DnsName | None = Field(
        default=None, description="StorageClass. Default: the cluster's default."
    )
    resources: ClaimResources = Field(description="What the claim asks for.")


class ClaimTemplate(SpecModel):
    """The template of each pod's own claim."""

    spec: ClaimSpec = Field(description="The claim.")


class EphemeralVolume(SpecModel):
    """A claim that each pod gets for itself, and that is deleted with it."""

    volume_claim_template: ClaimTemplate = Field(description="The template of the claim.")


class EmptyDirVolume(SpecModel):
    """An empty folder that is deleted with the pod."""

    medium: Literal["Memory"] | None = Field(
        default=None,
        description="`Memory` keeps it in the pod's memory, where it counts against the memory limit; "
        "`/dev/shm` is one. Default: the node's disk.",
    )
    size_limit: Memory | None = Field(
        default=None, description="Maximum size; a pod beyond it is evicted. Default: no maximum."
    )


class SecretReference(SpecModel):
    """A reference to a Secret."""

    name: DnsName = Field(description="Name of the Secret.")


class CsiVolume(SpecModel):
    """A volume of a CSI driver that lives with the pod, such as secrets-store.csi.k8s.io."""

    driver: DnsName = Field(description="Name of the driver.")
    volume_attributes: dict[str, str] = Field(
        default={}, description="Settings that the driver documents."
    )
    node_publish_secret_ref: SecretReference | None = Field(
        default=None, description="Secret that the driver gets."
    )


class ServiceAccountToken(SpecModel):
    """A token of the pod's service account for another system, renewed by the kubelet."""

    audience: Text = Field(description="Who the token is for, such as sts.amazonaws.com.")
    expiration_seconds: Integer = Field(
        default=3600, ge=600, le=86_400, description="How long a token is valid, in seconds."
    )
    path: SubPath = Field(default="token", description="Path of the file in the volume.")


class ProjectedSecret(SpecModel):
    """Keys of a Secret in a projected volume."""

    name: DnsName = Field(description="Name of the Secret.")
    items: tuple[KeyToPath, ...] = Field(default=(), description="Keys. Default: all.")
    optional: Boolean = Field(default=False, description="Start without it if it is missing.")


class ProjectedSource(SpecModel):
    """One source of a projected volume: exactly one of its fields."""

    config_map: ConfigMapVolume | None = Field(default=None, description="Keys of a ConfigMap.")
    secret: ProjectedSecret | None = Field(default=None, description="Keys of a Secret.")
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="A token of the pod's service account."
    )


class ProjectedVolume(SpecModel):
    """Several sources in one folder."""

    sources: tuple[ProjectedSource, ...] = Field(min_length=1, description="The sources.")


class Volume(SpecModel):
    """A volume of the pods: a name, where the server sees it, and exactly one source."""

    name: DnsLabel = Field(description="Name of the volume, for `volumeMounts` of containers.")
    mount_path: MountPath | None = Field(
        default=None,
        description="Folder in the server's container. Default: only the containers that name the "
        "volume see it.",
    )
    sub_path: SubPath | None = Field(
        default=None, description="Folder or file in the volume. Default: the whole volume."
    )
    read_only: Boolean | None = Field(
        default=None,
        description="Whether the server may only read. Default: true, except for the volumes that "
        "begin empty: emptyDir and ephemeral.",
    )
    persistent_volume_claim: PersistentVolumeClaimVolume | None = Field(
        default=None, description="An existing claim."
    )
    config_map: ConfigMapVolume | None = Field(default=None, description="An existing ConfigMap.")
    secret: SecretVolume | None = Field(default=None, description="An existing Secret.")
    image: Image | None = Field(
        default=None,
        description="The files of a container image, read-only. Kubernetes 1.33 to 1.34 needs the "
        "feature gate ImageVolume.",
    )
    ephemeral: EphemeralVolume | None = Field(
        default=None, description="A claim that each pod gets for itself."
    )
    empty_dir: EmptyDirVolume | None = Field(default=None, description="An empty folder.")
    projected: ProjectedVolume | None = Field(
        default=None, description="Several sources in one folder."
    )
    csi: CsiVolume | None = Field(default=None, description="A volume of a CSI driver.")

    @property
    def begins_empty(self) -> bool:
        """Whether nothing is in the volume when the pod starts, so that it is there to be written."""
        return self.empty_dir is not None or self.ephemeral is not None


SOURCES = (
    "persistentVolumeClaim", "configMap", "secret", "image", "ephemeral", "emptyDir", "projected",
    "csi",
)  # fmt: skip
"""The fields of a Volume of which exactly one must be set."""
