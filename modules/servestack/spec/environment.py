"""An environment: `stacks/<name>.yaml`, kept by the platform engineer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import (
    Boolean,
    DnsLabel,
    DnsName,
    Integer,
    LabelKey,
    LabelValue,
    Port,
    SecretKey,
    SpecModel,
    Text,
)
from servestack.spec.exposure import Cidr, IngressTls
from servestack.spec.image import Image
from servestack.spec.observability import TopicPart
from servestack.spec.patterns import described
from servestack.spec.quantities import MessageSize

BROKER = described(
    r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:\d{1,5}$",
    "host:port, such as kafka-0.kafka.svc:9093",
)


class Cluster(SpecModel):
    """The cluster that `pulumi up` talks to."""

    context: Text = Field(description="Context of the kubeconfig.")
    kubeconfig: Text | None = Field(
        default=None, description="Path of the kubeconfig. Left out: KUBECONFIG or ~/.kube/config."
    )


class Images(SpecModel):
    """The stock images."""

    server: Image = Field(description="The serving image.")
    filebeat: Image = Field(
        default=Image(repository="docker.elastic.co/beats/filebeat", tag="7.17.29"),
        description="The log shipper, Filebeat 7.17.",
    )
    pull_secrets: tuple[DnsName, ...] = Field(
        default=(), description="Secrets with the registry's credentials."
    )


class IngressController(SpecModel):
    """Ways in through plain Ingress objects."""

    kind: Literal["ingress"]
    class_name: DnsName | None = Field(default=None, description="Name of the IngressClass.")
    host_suffix: DnsName = Field(description="Models are at <name>.<host suffix>.")
    tls: IngressTls | None = Field(default=None, description="Wildcard certificate.")
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations for the controller, on every Ingress."
    )
    namespace: DnsLabel = Field(description="Namespace of the controller, for network policies.")


class Gateway(SpecModel):
    """Ways in through Gateway API HTTPRoutes."""

    kind: Literal["gateway"]
    name: DnsName = Field(description="Name of the Gateway.")
    namespace: DnsLabel = Field(description="Namespace of the Gateway and its pods.")
    section_name: DnsName | None = Field(default=None, description="Listener of the Gateway.")
    host_suffix: DnsName = Field(description="Models are at <name>.<host suffix>.")
    tls: Boolean = Field(default=False, description="The listener ends TLS.")


class KafkaCredentials(SpecModel):
    """A Secret with user name and password for SASL."""

    secret: DnsName = Field(description="Name of a Secret in the environment's namespace.")
    username_key: Text = Field(default="username", description="Key with the user name.")
    password_key: Text = Field(default="password", description="Key with the password.")


class KafkaSecurity(SpecModel):
    """How the brokers are spoken to."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="SASL_SSL", description="As Kafka names it."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="SASL mechanism, with a SASL protocol."
    )
    credentials: KafkaCredentials | None = Field(
        default=None, description="Reference to user name and password, with a SASL protocol."
    )
    ca: SecretKey | None = Field(
        default=None, description="Certificate authority of the brokers; left out: the system's."
    )


Broker = Annotated[str, StringConstraints(pattern=BROKER)]


class Kafka(SpecModel):
    """Where events go."""

    brokers: tuple[Broker, ...] = Field(min_length=1, description="host:port of the first brokers.")
    security: KafkaSecurity = Field(default=KafkaSecurity(), description="How they are spoken to.")
    topic_prefix: TopicPart = Field(
        default="servestack",
        description="Topics are <prefix>.<model>.<predictions|feedback|access>.",
    )
    max_message: MessageSize = Field(
        default="1Mi", description="Largest message, at most the brokers' message.max.bytes."
    )


class Prometheus(SpecModel):
    """Who scrapes, and how it learns of a model."""

    style: Literal["operator", "annotations"] = Field(
        default="annotations", description="PodMonitor and PrometheusRule, or annotations."
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels by which the operator picks its objects."
    )
    namespace: DnsLabel = Field(default="monitoring", description="Namespace of Prometheus.")


class Grafana(SpecModel):
    """How dashboards are found."""

    label: LabelKey = Field(
        default="grafana_dashboard", description="Label that the sidecar watches."
    )
    folder: Text | None = Field(default=None, description="Folder of the dashboards.")


class MetricsApi(SpecModel):
    """What the autoscaler can ask for."""

    custom_metrics: Literal["none", "prometheus-adapter"] = Field(
        default="none", description="Who answers custom.metrics.k8s.io."
    )


class Peer(SpecModel):
    """Something outside the namespace that pods talk to, for network policies."""

    namespace: DnsLabel | None = Field(default=None, description="Namespace of this cluster.")
    cidrs: tuple[Cidr, ...] = Field(default=(), description="Ranges of addresses.")
    ports: tuple[Port, ...] = Field(default=(443,), min_length=1, description="TCP ports.")


class Network(SpecModel):
    """Network policies: everything is denied but what is named here.

    Anywhere is never link-local, where clouds hand out the node's credentials.
    """

    policy: Boolean = Field(default=True, description="Render network policies.")
    dns_namespace: DnsLabel = Field(default="kube-system", description="Namespace of the DNS.")
    artifact_store: Peer = Field(
        default=Peer(), description="Where artifacts are fetched from; without addresses, anywhere."
    )
    kafka: Peer | None = Field(
        default=None, description="The brokers' network; left out: anywhere, at the brokers' ports."
    )


class Mlflow(SpecModel):
    """The model registry."""

    tracking_uri: Text = Field(
        description="Address of the MLflow server, for `servestack lock`.",
        examples=["https://mlflow.example.com"],
    )
    cluster_uri: Text | None = Field(
        default=None,
        description="Address of the same server for pods, where artifacts are served by it; "
        "left out: tracking_uri where it is an http(s) address.",
    )


class Fetch(SpecModel):
    """What the init container is given to read artifacts with."""

    secret: DnsName | None = Field(
        default=None,
        description="Secret whose keys it gets as variables, such as MLFLOW_TRACKING_TOKEN or "
        "AWS_ACCESS_KEY_ID. Left out: the rights of the pod's service account alone.",
    )


class GuardRails(SpecModel):
    """What no model in this environment may do without."""

    min_replicas: Integer = Field(default=1, ge=0, le=1000, description="Fewest pods.")
    max_replicas: Integer = Field(default=1000, ge=1, le=1000, description="Most pods.")
    require_image_digest: Boolean = Field(default=False, description="Images by digest.")
    require_artifact_digest: Boolean = Field(
        default=True, description="Artifacts with a sha256 in the lock."
    )
    require_owner: Boolean = Field(default=False, description="A team that answers for the model.")
    require_tls: Boolean = Field(default=False, description="TLS at the edge.")
    forbidden_formats: tuple[Literal["pickle", "skops", "onnx", "native"], ...] = Field(
        default=("pickle",), description="Formats of artifacts that are not served here."
    )


Overlay = dict[str, Any]
"""Some fields of a ModelService, in the spec's own form."""


class Environment(SpecModel):
    """A place where models run: dev, staging, prod."""

    api_version: Literal["servestack/v1"] = Field(description="Version of this format.")
    kind: Literal["Environment"] = Field(description="What the file describes.")
    name: DnsLabel = Field(description="Name of the environment: that of the file and the stack.")
    namespace: DnsLabel = Field(description="Namespace of the models.")
    create_namespace: Boolean = Field(default=True, description="Render the Namespace.")
    pod_security: Literal["restricted", "baseline"] = Field(
        default="restricted", description="Pod Security level that the namespace enforces."
    )
    cluster: Cluster = Field(description="The cluster that `pulumi up` talks to.")
    images: Images = Field(description="The stock images.")
    ingress: IngressController | Gateway | None = Field(
        default=None,
        discriminator="kind",
        description="The way in from outside; left out: models are reachable in the cluster only.",
    )
    kafka: Kafka | None = Field(default=None, description="Where events go; left out: nowhere.")
    prometheus: Prometheus | None = Field(
        default=None, description="Who scrapes; left out: no monitoring objects."
    )
    grafana: Grafana | None = Field(default=None, description="Left out: no dashboards.")
    metrics: MetricsApi = Field(default=MetricsApi(), description="What the autoscaler can ask.")
    network: Network = Field(default=Network(), description="Network policies.")
    fetch: Fetch = Field(default=Fetch(), description="Access to artifacts.")
    mlflow: Mlflow | None = Field(
        default=None, description="The model registry; needed for models:/ and runs:/ addresses."
    )
    guard_rails: GuardRails = Field(
        default=GuardRails(), description="What no model here may do without."
    )
    defaults: Overlay = Field(
        default={}, description="Fields of a ModelService for every model that does not set them."
    )
    overrides: dict[str, Overlay] = Field(
        default={},
        description="Fields of a ModelService that win over the spec: by model name, `*` for every.",
        examples=[{"*": {"autoscaling": None, "replicas": 1}, "iris": {"replicas": 2}}],
    )
    exclude: tuple[DnsLabel, ...] = Field(
        default=(), description="Models that do not run in this environment."
    )
