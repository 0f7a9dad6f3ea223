"""Who the pods are towards the Kubernetes API and the cloud, and how they fetch artifacts."""

from typing import Annotated

from pydantic import Field

from servestack.spec.base import DnsName, LabelKey, SpecModel
from servestack.spec.merging import Merged
from servestack.spec.variables import EnvironmentVariable
from servestack.spec.volumes import VolumeMount


class ServiceAccount(SpecModel):
    """The pods' service account: one of the model's own, or an existing one."""

    annotations: dict[LabelKey, str] = Field(
        default={},
        description="Annotations of the model's own account, by which a cloud gives it rights.",
        examples=[{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/iris"}],
    )
    name: DnsName | None = Field(
        default=None,
        description="Name of an existing account in the environment's namespace, instead of one of "
        "the model's own.",
    )


class ModelFetch(SpecModel):
    """The init container that fetches the model's artifacts: its credentials and what it needs."""

    secret: DnsName | None = Field(
        default=None,
        description="Secret whose keys become its environment variables, such as "
        "MLFLOW_TRACKING_TOKEN or AWS_ACCESS_KEY_ID. Default: the environment's.",
    )
    env: Annotated[tuple[EnvironmentVariable, ...], Merged("name")] = Field(
        default=(),
        description="Environment variables of the container, such as AWS_ENDPOINT_URL.",
    )
    volume_mounts: Annotated[tuple[VolumeMount, ...], Merged("mountPath")] = Field(
        default=(),
        description="Which of `volumes` the container sees, such as a certificate authority.",
    )
