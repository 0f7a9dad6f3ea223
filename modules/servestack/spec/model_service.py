"""The spec: one file per model, `models/<name>.yaml`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.api import Api
from servestack.spec.artifact_uri import Artifact
from servestack.spec.base import DNS_LABEL, LabelKey, LabelValue, Number, SpecModel
from servestack.spec.containers import InitContainer, Sidecar
from servestack.spec.experiment import Experiment
from servestack.spec.exposure import EgressRule, Ingress, Service
from servestack.spec.graph import Graph, splits_of
from servestack.spec.identity import ModelFetch, ServiceAccount
from servestack.spec.image import ModelImage
from servestack.spec.merging import Merged
from servestack.spec.observability import Logging, Monitoring
from servestack.spec.patches import Patch
from servestack.spec.patterns import described
from servestack.spec.rollout import Rollout, Shutdown, Startup
from servestack.spec.scaling import Autoscaling, Resources, Scheduling
from servestack.spec.shadow import Shadow
from servestack.spec.variables import EnvironmentVariable
from servestack.spec.volumes import Volume
from servestack_contract.settings import Runtime

TYPE_NAME = described(r"^[\w.]+$", "a type's dotted name, such as numpy.dtype")

NAME_MAX_LENGTH = 63
"""What a Service's name, a host's label and a label's value may have. Names with a suffix may have
253; the API shortens the names of pods to 63 itself, and keeps them different."""

SHADOW_SUFFIX = "-shadow"
STABLE_SUFFIX = "-stable"
CANARY_SUFFIX = "-canary"
"""Of the Services of both sides of a rollout."""

ModelName = Annotated[
    str,
    StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=NAME_MAX_LENGTH),
]


def shadow_name(name: str) -> str:
    """Return the name of a model's shadow: of its objects, and of its artifact in the lock."""
    return f"{name}{SHADOW_SUFFIX}"


class NamedArtifact(SpecModel):
    """One of several models in a service."""

    name: ModelName = Field(description="Name of the model within the service.")
    artifact: Artifact = Field(description="Address of the model's artifact.")


class Trust(SpecModel):
    """Artifact content that the owner trusts, since loading it can run code."""

    pickle: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Load pickle, joblib and cloudpickle files, which can run code of their author.",
    )
    code: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Run Python code in the artifact: pre- and post-processing, validation.",
    )
    skops_types: tuple[Annotated[str, StringConstraints(pattern=TYPE_NAME)], ...] = Field(
        default=(),
        description="Types that a .skops file may contain, besides those that skops trusts.",
    )


class ModelService(SpecModel):
    """A model in production. Two fields are enough: `name` and `artifact`."""

    api_version: Literal["servestack/v1"] = Field(description="Version of this format.")
    kind: Literal["ModelService"] = Field(description="What the file describes.")
    name: ModelName = Field(
        description="Name of the service, in the cluster and in its address: up to 63 characters."
    )
    owner: LabelValue | None = Field(
        default=None, description="Team that is responsible for the model."
    )
    description: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        default=None, description="One sentence for Swagger, the dashboard and reviewers."
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
        description="How several models answer together. Default: each answers under its own name.",
    )
    runtime: Runtime = Field(
        default="auto",
        description="What computes predictions: `auto` (the model's arithmetic without its framework, "
        "where that gives the same answers), `native` (the framework) or `onnx` (a conversion to "
        "ONNX, which computes in float32).",
    )
    onnx_tolerance: Number | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Relative difference of numbers that a conversion to ONNX may have, with "
        "`runtime: onnx`. Default: 0.0001. Labels must be equal in any case.",
    )
    trust: Trust = Field(
        default=Trust.model_construct(), description="Artifact content that the owner trusts."
    )
    api: Api = Field(default=Api.model_construct(), description="The HTTP interface.")
    env: Annotated[tuple[EnvironmentVariable, ...], Merged("name")] = Field(
        default=(), description="Environment variables for the model's own code."
    )
    volumes: Annotated[tuple[Volume, ...], Merged("name")] = Field(
        default=(), description="Volumes for the model's own code and for further containers."
    )
    init_containers: Annotated[tuple[InitContainer, ...], Merged("name")] = Field(
        default=(),
        description="Containers that run one after the other before the artifacts are fetched.",
    )
    sidecars: Annotated[tuple[Sidecar, ...], Merged("name")] = Field(
        default=(),
        description="Containers beside the server. They start after `initContainers` and before the "
        "artifacts are fetched, and stop after the server.",
    )
    image: ModelImage | None = Field(
        default=None, description="Serving image. Default: the environment's."
    )
    service_account: ServiceAccount = Field(
        default=ServiceAccount.model_construct(), description="The identity of the pods."
    )
    fetch: ModelFetch = Field(
        default=ModelFetch.model_construct(), description="How the artifacts are fetched."
    )
    replicas: Annotated[int, Field(strict=True, ge=0, le=1000)] | None = Field(
        default=None,
        description="Number of pods. With `autoscaling`, the number expected under ordinary load: it "
        "must lie between min and max, and the autoscaler decides.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Scaling by load. Default without `replicas`: 2 to 6 pods at 70% CPU.",
    )
    resources: Resources = Field(
        default=Resources.model_construct(), description="CPU, memory and devices of a pod."
    )
    scheduling: Scheduling = Field(
        default=Scheduling.model_construct(),
        description="Which of the cluster's nodes run the pods.",
    )
    service: Service = Field(
        default=Service.model_construct(), description="The Service in the cluster."
    )
    ingress: Ingress = Field(default=Ingress.model_construct(), description="External access.")
    egress: Annotated[tuple[EgressRule, ...], Merged()] = Field(
        default=(), description="Destinations that the model's own code must reach."
    )
    logging: Logging = Field(
        default=Logging.model_construct(),
        description="Events that are sent to Kafka, and the server's own log.",
    )
    monitoring: Monitoring = Field(
        default=Monitoring.model_construct(), description="Metrics and alerts."
    )
    rollout: Rollout = Field(
        default=Rollout.model_construct(), description="Rollout of a new version."
    )
    shadow: Shadow | None = Field(
        default=None,
        description="Another version that gets copies of the requests and answers no caller. "
        "Default: none.",
    )
    experiment: Experiment | None = Field(
        default=None,
        description="Compares variants by the feedback to their answers. Default: none.",
    )
    startup: Startup = Field(default=Startup.model_construct(), description="Startup of a pod.")
    shutdown: Shutdown = Field(default=Shutdown.model_construct(), description="Shutdown of a pod.")
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels added to every object."
    )
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations added to the pods."
    )
    patches: tuple[Patch, ...] = Field(
        default=(),
        description="Strategic merge patches of rendered objects, for what no other field says. They "
        "are checked against the Kubernetes API and the policy like everything else.",
    )

    def artifacts(self) -> tuple[NamedArtifact, ...]:
        """Return the service's models: `models`, or `artifact` under the service's own name."""
        if self.models is not None:
            return self.models
        if self.artifact is None:
            return ()
        return (NamedArtifact.model_construct(name=self.name, artifact=self.artifact),)

    def public_variables(self) -> tuple[str, ...]:
        """Return the variables of any container whose values their owner calls public."""
        found = [*self.env, *self.fetch.env]
        for container in (*self.init_containers, *self.sidecars):
            found += container.env
        return tuple(dict.fromkeys(variable.name for variable in found if variable.public))

    @property
    def unit_key(self) -> str | None:
        """The header or column whose hash events have, since an experiment assigns by it."""
        if self.experiment is None:
            return None
        if self.experiment.variants is not None:
            return self.experiment.sticky_by
        return next((split.sticky_by for split in splits_of(self.graph)), None)

    @property
    def base_path(self) -> str:
        """Path before /predict, without a trailing slash: `/v1/iris`."""
        return self.api.base_path or f"/v1/{self.name}"
