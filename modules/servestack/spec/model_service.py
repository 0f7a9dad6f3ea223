"""The spec: one file per model, `models/<name>.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.api import Api
from servestack.spec.artifact_uri import Artifact
from servestack.spec.base import DNS_LABEL, LabelKey, LabelValue, SecretKey, SpecModel
from servestack.spec.exposure import EgressRule, Ingress, Service
from servestack.spec.graph import Graph
from servestack.spec.image import Image
from servestack.spec.observability import Logging, Monitoring
from servestack.spec.patterns import described
from servestack.spec.rollout import Rollout, Shutdown, Startup
from servestack.spec.scaling import Autoscaling, Resources, Scheduling
from servestack_contract.settings import Runtime

VARIABLE = described(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable's name: letters, digits, '_'")
TYPE_NAME = described(r"^[\w.]+$", "a type's dotted name, such as numpy.dtype")

NAME_MAX_LENGTH = 40
"""The longest model name: `<name>-<replica set hash>-<pod hash>` stays a DNS label of 63."""

ModelName = Annotated[
    str,
    StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=NAME_MAX_LENGTH),
]


class NamedArtifact(SpecModel):
    """One of several models in a service."""

    name: ModelName = Field(description="Name of the model within the service.")
    artifact: Artifact = Field(description="Address of its artifact.")


class EnvironmentVariable(SpecModel):
    """A variable for the model's own code: a plain value, or a key of a Secret."""

    name: Annotated[str, StringConstraints(pattern=VARIABLE, max_length=200)] = Field(
        description="Name of the variable."
    )
    value: Annotated[str, StringConstraints(max_length=4000)] | None = Field(
        default=None, description="Plain value. Never a secret."
    )
    value_from: SecretKey | None = Field(default=None, description="Key of a Secret.")


class Trust(SpecModel):
    """What the owner of the model vouches for before anything is deserialised."""

    pickle: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Load pickle, joblib and cloudpickle: code of the model's author.",
    )
    code: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Run Python that ships in the artifact: pre- and post-processing, validation.",
    )
    skops_types: tuple[Annotated[str, StringConstraints(pattern=TYPE_NAME)], ...] = Field(
        default=(), description="Types beyond the safe ones that a .skops file may hold."
    )


class ModelService(SpecModel):
    """A model in production. Two fields are enough: `name` and `artifact`."""

    api_version: Literal["servestack/v1"] = Field(description="Version of this format.")
    kind: Literal["ModelService"] = Field(description="What the file describes.")
    name: ModelName = Field(description="Name of the service, in the cluster and in its address.")
    owner: LabelValue | None = Field(default=None, description="Team that answers for it.")
    description: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        default=None, description="One sentence for Swagger, dashboard and reviewers."
    )
    artifact: Artifact | None = Field(
        default=None,
        description="Address of the model: models:/name@alias, models:/name/3, runs:/…, s3://, "
        "gs://, https://, file: or a path in the image.",
    )
    models: tuple[NamedArtifact, ...] | None = Field(
        default=None,
        description="Several models in one service, instead of `artifact`.",
        min_length=1,
    )
    graph: Graph | None = Field(
        default=None,
        discriminator="kind",
        description="How several models answer together; left out: each under its own name.",
    )
    runtime: Runtime = Field(
        default="auto",
        description="How the model is computed: ONNX Runtime, its own framework, or the faster one.",
    )
    trust: Trust = Field(default=Trust(), description="What may be deserialised.")
    api: Api = Field(default=Api(), description="The HTTP interface.")
    env: tuple[EnvironmentVariable, ...] = Field(
        default=(), description="Variables for the model's own code."
    )
    image: Image | None = Field(
        default=None, description="Another serving image than the environment's."
    )
    replicas: Annotated[int, Field(strict=True, ge=0, le=1000)] | None = Field(
        default=None,
        description="Number of pods. With `autoscaling` written too, the count asked for in "
        "ordinary load: it must lie between min and max, and the autoscaler decides.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Scaling by load. With neither `replicas` nor `autoscaling` written: 2 to 6 "
        "pods at 70% CPU.",
    )
    resources: Resources = Field(default=Resources(), description="CPU and memory of a pod.")
    scheduling: Scheduling = Field(default=Scheduling(), description="Nodes the pods run on.")
    service: Service = Field(default=Service(), description="The Service in the cluster.")
    ingress: Ingress = Field(default=Ingress(), description="The way in from outside.")
    egress: tuple[EgressRule, ...] = Field(
        default=(), description="What the model's own code must reach."
    )
    logging: Logging = Field(default=Logging(), description="Events to Kafka.")
    monitoring: Monitoring = Field(default=Monitoring(), description="Metrics and alerts.")
    rollout: Rollout = Field(default=Rollout(), description="How a new version takes over.")
    startup: Startup = Field(default=Startup(), description="What a starting pod is given.")
    shutdown: Shutdown = Field(default=Shutdown(), description="How a pod goes away.")
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels added to every object."
    )
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations added to the pods."
    )

    def artifacts(self) -> tuple[NamedArtifact, ...]:
        """The models of the service: `models`, or `artifact` under the service's own name."""
        if self.models is not None:
            return self.models
        if self.artifact is None:
            return ()
        return (NamedArtifact.model_construct(name=self.name, artifact=self.artifact),)

    @property
    def base_path(self) -> str:
        """Path before /predict, without a trailing slash: `/v1/iris`."""
        return self.api.base_path or f"/v1/{self.name}"
