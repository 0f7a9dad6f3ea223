"""A shadow: another version that gets copies of the model's requests."""

from typing import Annotated

from pydantic import Field

from servestack.spec.artifact_uri import Artifact
from servestack.spec.base import Integer, Number, SpecModel
from servestack.spec.quantities import Memory
from servestack.spec.scaling import Resources


class Shadow(SpecModel):
    """Another version of the model that gets copies of answered requests, in pods of its own.

    Its answers reach no caller: they are logged as events of the variant `shadow`.
    """

    artifact: Artifact = Field(
        description="Address of the other version, such as models:/iris@candidate."
    )
    percent: Annotated[Number, Field(gt=0, le=100)] = Field(
        default=100,
        description="Share of the answered requests that is copied, chosen by request id, in percent.",
    )
    replicas: Integer = Field(default=1, ge=0, le=1000, description="Number of pods of the shadow.")
    resources: Resources | None = Field(
        default=None, description="CPU, memory and devices of a pod. Default: the model's."
    )
    timeout_seconds: Annotated[Number, Field(gt=0, le=300)] = Field(
        default=10, description="Maximum time for the shadow's answer to a copy, in seconds."
    )
    max_queue: Integer = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Most copies that may wait in a pod of the model. Further ones are dropped.",
    )
    max_queued: Memory = Field(
        default="16Mi",
        description="Most memory of a pod of the model for copies that wait. Further ones are dropped.",
    )
