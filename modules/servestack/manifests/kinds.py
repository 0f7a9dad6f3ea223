"""The one table of Kubernetes kinds: their API paths, their Pulumi classes, their words in a diff.

To add a kind, write its row, run `python tools/schemas/bundle.py`, and name its builder in assemble.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind's place in the API: `apps/v1`, `Deployment`, `deployments`."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """`apps` of `apps/v1`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "") -> str:
        """The API path of one object; without `name`, of the collection."""
        root = "apis" if self.group else "api"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"/{root}/{self.api_version}{scope}/{self.plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True)
class Kind(Resource):
    """A kind of object that servestack declares.

    `appears` and `goes` tell a reviewer what it means that an object is added or removed.
    `declared_as` is the submodule and class of pulumi_kubernetes. `for_pods`: pods read the object
    when they start, so it must exist before them. `is_made`: a builder makes the object, so a live
    comparison lists it. `keeps_data`: with the object goes what it holds, so nothing deletes it but
    a person. `is_elsewhere`: it lives in a namespace that is not the models' own.
    """

    appears: str
    goes: str
    declared_as: tuple[str, str] = ("apiextensions", "CustomResource")
    for_pods: bool = False
    is_made: bool = True
    keeps_data: bool = False
    is_elsewhere: bool = False


NAMESPACE = Kind(
    "v1", "Namespace", "namespaces",
    "a namespace for the models", "the namespace stays, without its labels",
    # A patch owns its fields and never the object (docs/adr/0011): it works where somebody else
    # made the namespace, and deleting it removes these fields and keeps the namespace.
    ("core.v1", "NamespacePatch"),
)  # fmt: skip
_TABLE = (
    NAMESPACE,
    Kind(
        "v1", "ServiceAccount", "serviceaccounts",
        "the pods get an identity of their own", "the model has no service account of its own",
        ("core.v1", "ServiceAccount"), for_pods=True,
    ),
    Kind(
        "v1", "ConfigMap", "configmaps",
        "configuration is added", "configuration is removed",
        ("core.v1", "ConfigMap"), for_pods=True,
    ),
    Kind(
        "v1", "Secret", "secrets",
        "a secret is added", "a secret is removed",
        # The class marks its values, so that the state holds them as ciphertext only.
        ("core.v1", "Secret"), is_made=False,
    ),
    Kind(
        "v1", "Service", "services",
        "callers in the cluster can reach the model",
        "callers in the cluster can no longer reach the model",
        ("core.v1", "Service"),
    ),
    Kind(
        "apps/v1", "Deployment", "deployments",
        "the model starts to serve", "the model stops serving",
        ("apps.v1", "Deployment"),
    ),
    Kind(
        "argoproj.io/v1alpha1", "AnalysisTemplate", "analysistemplates",
        "new versions are compared with the stable one",
        "new versions are no longer compared with the stable one",
        for_pods=True,
    ),
    Kind(
        "argoproj.io/v1alpha1", "Rollout", "rollouts",
        "the model starts to serve, and Argo Rollouts brings new versions in",
        "the model stops serving",
    ),
    Kind(
        "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
        "the number of pods follows the load", "this autoscaler no longer sets the number of pods",
        ("autoscaling.v2", "HorizontalPodAutoscaler"),
    ),
    Kind(
        "keda.sh/v1alpha1", "ScaledObject", "scaledobjects",
        "KEDA sets the number of pods by requests in flight", "KEDA no longer sets the number of pods",
    ),
    Kind(
        "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets",
        "node drains evict one pod at a time", "node drains may evict every pod at once",
        ("policy.v1", "PodDisruptionBudget"),
    ),
    Kind(
        "networking.k8s.io/v1", "Ingress", "ingresses",
        "the model gets a public address", "the public address is removed",
        ("networking.v1", "Ingress"),
    ),
    Kind(
        "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies",
        "only named traffic is allowed", "its limits on traffic no longer hold",
        ("networking.v1", "NetworkPolicy"),
    ),
    Kind(
        "gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes",
        "the model gets a public address", "the public address is removed",
    ),
    Kind(
        "monitoring.coreos.com/v1", "PodMonitor", "podmonitors",
        "metrics are scraped", "metrics are no longer scraped",
    ),
    Kind(
        "monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules",
        "alerts are evaluated", "no alert fires any more",
    ),
    Kind(
        "kafka.strimzi.io/v1", "KafkaTopic", "kafkatopics",
        "Strimzi makes the topic",
        "the topic stays, with its events, and nobody manages it; once its KafkaTopic is deleted by "
        "hand, Strimzi deletes both",
        keeps_data=True, is_elsewhere=True,
    ),
)  # fmt: skip
WORKLOADS = ("Deployment", "Rollout")
"""The kinds that keep a model's pods, as their `spec.template` says."""
KINDS = {(kind.api_version, kind.name): kind for kind in _TABLE}
NAMESPACED = tuple(
    kind for kind in _TABLE if kind is not NAMESPACE and kind.is_made and not kind.is_elsewhere
)
"""The kinds that builders make in the environment's namespace."""
