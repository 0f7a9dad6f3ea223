"""An environment: `stacks/<name>.yaml`, kept by the platform engineer."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from servestack.spec.base import (
    SECRET_KEY,
    Boolean,
    DnsLabel,
    DnsName,
    HttpPath,
    HttpUrl,
    Integer,
    LabelKey,
    LabelValue,
    Port,
    SecretKey,
    SpecModel,
    Text,
)
from servestack.spec.custom_metrics import MetricsApi
from servestack.spec.exposure import Cidr, IngressTls
from servestack.spec.gpus import DEFAULT_TYPE, GpuType
from servestack.spec.image import Image
from servestack.spec.observability import TopicPart
from servestack.spec.patterns import described
from servestack.spec.quantities import MessageSize
from servestack.spec.rollouts import Rollouts
from servestack.spec.topics import Topics

BROKER = described(
    r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:\d{1,5}$",
    "host:port, such as kafka-0.kafka.svc:9093",
)


class Cluster(SpecModel):
    """The Kubernetes cluster of the environment."""

    context: Text = Field(
        description="Context in the kubeconfig. Environments that have the same context and "
        "kubeconfig share a cluster: they may not make the same objects or addresses."
    )
    kubeconfig: Text | None = Field(
        default=None,
        description="Path of the kubeconfig, relative to the project. Default: KUBECONFIG or "
        "~/.kube/config.",
    )


class Images(SpecModel):
    """The images of every model's pods."""

    server: Image = Field(description="The serving image.")
    filebeat: Image = Field(
        default=Image(repository="docker.elastic.co/beats/filebeat", tag="7.17.29"),
        description="The image of Filebeat 7.17, which ships events to Kafka.",
    )
    pull_secrets: tuple[DnsName, ...] = Field(
        default=(), description="Secrets with the credentials of the image registry."
    )


class IngressController(SpecModel):
    """External access through Ingress objects."""

    kind: Literal["ingress"] = Field(description="How models are exposed.")
    class_name: DnsName | None = Field(default=None, description="Name of the IngressClass.")
    host_suffix: DnsName = Field(description="Domain of the models: <name>.<host suffix>.")
    tls: IngressTls | None = Field(
        default=None,
        description="Wildcard certificate for the host suffix, or an issuer of cert-manager that "
        "makes one certificate for each model.",
    )
    path_prefix: HttpPath | None = Field(
        default=None, description="Path in front of every model's public paths, such as /ml."
    )
    annotations: dict[LabelKey, str] = Field(
        default={}, description="Annotations for the controller, added to every Ingress."
    )
    namespace: DnsLabel = Field(
        description="Namespace of the controller. Network policies admit it."
    )


class Gateway(SpecModel):
    """External access through HTTPRoutes of the Gateway API."""

    kind: Literal["gateway"] = Field(description="How models are exposed.")
    name: DnsName = Field(description="Name of the Gateway.")
    namespace: DnsLabel = Field(
        description="Namespace of the Gateway and its pods. Network policies admit it."
    )
    section_name: DnsName | None = Field(
        default=None, description="Listener of the Gateway. Default: all."
    )
    host_suffix: DnsName = Field(description="Domain of the models: <name>.<host suffix>.")
    tls: Boolean = Field(default=False, description="Whether the listener terminates TLS.")
    path_prefix: HttpPath | None = Field(
        default=None, description="Path in front of every model's public paths, such as /ml."
    )


class KafkaCredentials(SpecModel):
    """A Secret with the user name and password for SASL."""

    secret: DnsName = Field(description="Name of a Secret in the environment's namespace.")
    username_key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        default="username", description="Key that holds the user name."
    )
    password_key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        default="password", description="Key that holds the password."
    )


class ClientCertificate(SpecModel):
    """A Secret with the certificate by which Filebeat identifies itself to the brokers."""

    secret: DnsName = Field(
        description="Name of a Secret in the environment's namespace, of type kubernetes.io/tls "
        "or with keys of other names."
    )
    certificate_key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        default="tls.crt", description="Key that holds the certificate and its chain, as PEM."
    )
    private_key_key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        default="tls.key", description="Key that holds the private key, as PEM, not encrypted."
    )


_NOT_SPOKEN = {
    "OAUTHBEARER": "protocol SSL with clientCertificate, or a SCRAM user",
    "AWS_MSK_IAM": "a SCRAM user, which MSK keeps in Secrets Manager, or protocol SSL with "
    "clientCertificate",
    "GSSAPI": "a SCRAM user, or protocol SSL with clientCertificate",
}
"""Mechanisms of Kafka that are refused: what to use instead."""


def _spoken(mechanism: Any) -> Any:
    """Refuse a mechanism that Kafka has and Filebeat 7.17 lacks, and say why.

    Source: libbeat/common/kafka/sasl.go of Filebeat 7.17, which knows PLAIN and SCRAM;
    libbeat/outputs/kafka/config.go has Kerberos (GSSAPI) as a beta, with a keytab and a krb5.conf.
    """
    name = str(mechanism).upper()
    if name not in _NOT_SPOKEN:
        return mechanism
    why = "which ships the events, has only PLAIN and SCRAM"
    if name == "GSSAPI":
        why = "which ships the events, has it only as a beta that needs a keytab and a krb5.conf"
    raise PydanticCustomError(
        "sasl_mechanism",
        "{name} is not supported: Filebeat 7.17, {why}",
        {"name": name, "why": why, "hint": f"use {_NOT_SPOKEN[name]}"},
    )


class KafkaSecurity(SpecModel):
    """Security of the connection to the brokers."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="SASL_SSL", description="Security protocol, as Kafka names it."
    )
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], BeforeValidator(_spoken)
    ] = Field(default="SCRAM-SHA-512", description="SASL mechanism; used with a SASL protocol.")
    credentials: KafkaCredentials | None = Field(
        default=None, description="User name and password; required with a SASL protocol."
    )
    ca: SecretKey | None = Field(
        default=None, description="Certificate authority of the brokers. Default: the system's."
    )
    client_certificate: ClientCertificate | None = Field(
        default=None,
        description="Certificate by which Filebeat identifies itself (mutual TLS); used with an "
        "SSL protocol, with or without SASL.",
    )


Broker = Annotated[str, StringConstraints(pattern=BROKER)]


class Kafka(SpecModel):
    """The Kafka cluster that receives events."""

    brokers: tuple[Broker, ...] = Field(
        min_length=1, description="Bootstrap brokers, as host:port."
    )
    security: KafkaSecurity = Field(
        default=KafkaSecurity.model_construct(),
        description="Security of the connection to the brokers.",
    )
    topic_prefix: TopicPart = Field(
        default="servestack",
        description="Topics are named <prefix>.<model>.<predictions|feedback|access|custom>.",
    )
    max_message: MessageSize = Field(
        default="1Mi",
        description="Maximum size of a message; at most the brokers' message.max.bytes.",
    )
    topics: Topics = Field(
        default=Topics.model_construct(),
        description="Who makes the models' topics, and their settings.",
    )


class Prometheus(SpecModel):
    """How Prometheus finds the pods to scrape."""

    style: Literal["operator", "annotations"] = Field(
        default="annotations",
        description="`operator` renders PodMonitor and PrometheusRule objects, `annotations` "
        "annotates the pods.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default={},
        description="Labels by which the operator selects those objects: those of podMonitorSelector "
        "and ruleSelector of its Prometheus. kube-prometheus-stack selects by the label `release`. "
        "Write {} if both selectors are empty.",
        examples=[{"release": "kube-prometheus-stack"}],
    )
    namespace: DnsLabel = Field(
        default="monitoring", description="Namespace of Prometheus. Network policies admit it."
    )
    runbooks: HttpUrl | None = Field(
        default=None,
        description="Address of the runbook page, docs/operations/alerts.md where it is published. "
        "Alerts of a model without monitoring.runbook link to their own section of it.",
        examples=["https://docs.example.com/servestack/operations/alerts.html"],
    )


class Grafana(SpecModel):
    """How Grafana finds dashboards."""

    label: LabelKey = Field(
        default="grafana_dashboard",
        description="Label of the ConfigMaps that Grafana's sidecar watches.",
    )
    folder: Text | None = Field(default=None, description="Grafana folder of the dashboards.")
    fleet: Boolean = Field(
        default=True, description="Render the dashboard of all models of the environment."
    )
    url: HttpUrl | None = Field(
        default=None,
        description="Address of Grafana. Alerts then link to the dashboard of their model.",
        examples=["https://grafana.example.com"],
    )


class Peer(SpecModel):
    """A destination outside the namespace that network policies allow."""

    namespace: DnsLabel | None = Field(default=None, description="Namespace in this cluster.")
    pod_labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Allow only pods with these labels; used with `namespace`."
    )
    cidrs: tuple[Cidr, ...] = Field(default=(), description="Address ranges.")
    ports: tuple[Port, ...] = Field(default=(443,), min_length=1, description="TCP ports.")


class Dns(SpecModel):
    """Where pods look up names: the cluster's DNS, and a cache on each node if there is one."""

    namespace: DnsLabel | None = Field(
        default="kube-system",
        description="Namespace of the DNS pods; null if only `cidrs` answer.",
    )
    cidrs: tuple[Cidr, ...] = Field(
        default=(),
        description="Address ranges outside of pods, such as NodeLocal DNSCache's "
        "169.254.20.10/32.",
    )
    ports: tuple[Port, ...] = Field(
        default=(53,),
        min_length=1,
        description="Ports of the DNS pods, UDP and TCP; OpenShift's listen on 5353.",
    )


class Network(SpecModel):
    """Network policies, which deny all traffic except what is named here.

    "Anywhere" excludes link-local addresses, where clouds serve the node's credentials. A DNS
    cache on such an address is opened by `dns.cidrs`, on the ports of DNS alone.
    """

    policy: Boolean = Field(default=True, description="Render network policies.")
    dns: Dns = Field(default=Dns.model_construct(), description="Where pods look up names.")
    dns_namespace: DnsLabel | None = Field(default=None, description="Older name of dns.namespace.")
    artifact_store: Peer = Field(
        default=Peer.model_construct(),
        description="Where pods fetch artifacts from. Without namespace and cidrs: anywhere.",
    )
    kafka: Peer | None = Field(
        default=None,
        description="Where the brokers are. Default: anywhere, on the ports of kafka.brokers.",
    )


class Mlflow(SpecModel):
    """The MLflow model registry."""

    tracking_uri: Text = Field(
        description="Address of the MLflow server, used by `servestack lock`. Paths in it are "
        "relative to the project.",
        examples=["https://mlflow.example.com"],
    )
    registry_uri: Text | None = Field(
        default=None,
        description="Address of the registry of models, if it is not that of trackingUri. Default: "
        "MLflow's own choice, which is Unity Catalog for `databricks`, else the server itself.",
        examples=["databricks-uc"],
    )
    cluster_uri: Text | None = Field(
        default=None,
        description="Address of the same server inside the cluster, for pods that fetch artifacts "
        "from it. Default: trackingUri if it is an http(s) address.",
    )


class Fetch(SpecModel):
    """Credentials of the init container that fetches artifacts."""

    secret: DnsName | None = Field(
        default=None,
        description="Secret whose keys become its environment variables, such as "
        "MLFLOW_TRACKING_TOKEN or AWS_ACCESS_KEY_ID. Default: only the rights of the pod's service "
        "account.",
    )


class GuardRails(SpecModel):
    """What the environment requires of every model."""

    min_replicas: Integer = Field(default=1, ge=0, le=1000, description="Minimum number of pods.")
    max_replicas: Integer = Field(
        default=1000, ge=1, le=1000, description="Maximum number of pods."
    )
    require_image_digest: Boolean = Field(
        default=False, description="Images must be pinned by digest."
    )
    require_artifact_digest: Boolean = Field(
        default=True, description="Artifacts must have a sha256 in the lock."
    )
    require_owner: Boolean = Field(default=False, description="Models must name an owner.")
    require_tls: Boolean = Field(default=False, description="External access must use TLS.")
    max_patches: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        default=None,
        description="Maximum number of patches of a model; 0 forbids them. Default: no limit.",
    )
    forbidden_formats: tuple[Literal["pickle", "skops", "onnx", "native"], ...] = Field(
        default=("pickle",), description="Artifact formats that must not be served here."
    )


Overlay = dict[str, Any]
"""Some fields of a ModelService, written as in a spec."""


class Environment(SpecModel):
    """A place where models run, such as dev, staging or prod."""

    api_version: Literal["servestack/v1"] = Field(description="Version of this format.")
    kind: Literal["Environment"] = Field(description="What the file describes.")
    name: DnsLabel = Field(description="Name of the environment, of its file and of its stack.")
    namespace: DnsLabel = Field(description="Namespace of the models.")
    create_namespace: Boolean = Field(default=True, description="Render the Namespace object.")
    pod_security: Literal["restricted", "baseline"] = Field(
        default="restricted", description="Pod Security level that the namespace enforces."
    )
    cluster: Cluster = Field(description="The Kubernetes cluster of the environment.")
    images: Images = Field(description="The images of every model's pods.")
    ingress: IngressController | Gateway | None = Field(
        default=None,
        discriminator="kind",
        description="External access. Default: models are reachable only inside the cluster.",
    )
    kafka: Kafka | None = Field(
        default=None, description="The Kafka cluster that receives events. Default: no events."
    )
    prometheus: Prometheus | None = Field(
        default=None, description="How Prometheus finds the pods. Default: no monitoring objects."
    )
    grafana: Grafana | None = Field(
        default=None, description="How Grafana finds dashboards. Default: no dashboards."
    )
    metrics: MetricsApi = Field(
        default=MetricsApi.model_construct(), description="Metrics that the autoscaler can use."
    )
    rollouts: Rollouts | None = Field(
        default=None,
        description="The controller that carries out canaries and blue-green rollouts. Default: none, "
        "and models may only roll.",
    )
    network: Network = Field(default=Network.model_construct(), description="Network policies.")
    fetch: Fetch = Field(
        default=Fetch.model_construct(), description="Credentials for fetching artifacts."
    )
    mlflow: Mlflow | None = Field(
        default=None,
        description="The MLflow model registry; required for models:/ and runs:/ addresses.",
    )
    gpus: dict[DnsLabel, GpuType] = Field(
        default={},
        description="Kinds of GPU by name, for `resources.gpu.type`. `default` is the one that models "
        "get without a type; unless it is described here, it is nvidia.com/gpu.",
        examples=[{"a100": {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"}}}],
    )
    guard_rails: GuardRails = Field(
        default=GuardRails.model_construct(),
        description="What the environment requires of every model.",
    )
    defaults: Overlay = Field(
        default={},
        description="Fields of a ModelService, for every model that does not set them itself.",
    )
    overrides: dict[str, Overlay] = Field(
        default={},
        description="Fields of a ModelService that override the spec, by model name or `*` for all.",
        examples=[{"*": {"autoscaling": None, "replicas": 1}, "iris": {"replicas": 2}}],
    )
    exclude: tuple[DnsLabel, ...] = Field(
        default=(), description="Models that do not run in this environment."
    )

    def gpu_type(self, name: str) -> GpuType | None:
        """Return a kind of GPU by name; None if the environment does not have it."""
        return self.gpus.get(name, GpuType() if name == DEFAULT_TYPE else None)
