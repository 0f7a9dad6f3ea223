"""Who the pods are: towards the Kubernetes API and the cloud, and for fetching artifacts."""

from __future__ import annotations

from pydantic import Field

from servestack.spec.base import DnsName, LabelKey, SpecModel


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
    """Credentials of the init container that fetches the model's artifacts."""

    secret: DnsName | None = Field(
        default=None,
        description="Secret whose keys become its environment variables, such as "
        "MLFLOW_TRACKING_TOKEN or AWS_ACCESS_KEY_ID. Default: the environment's.",
    )
