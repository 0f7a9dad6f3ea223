"""The kinds of objects that the builders make, and where the API has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind and its resource, as in `apps/v1`, `Deployment`, `deployments`."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """The API's path of one object, or without a name of the collection."""
        root = "apis" if "/" in self.api_version else "api"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"/{root}/{self.api_version}{scope}/{self.plural}" + (f"/{name}" if name else "")


NAMESPACE = Kind("v1", "Namespace", "namespaces")
NAMESPACED = (
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Service", "services"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors"),
    Kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules"),
)
KINDS = {(kind.api_version, kind.name): kind for kind in (NAMESPACE, *NAMESPACED)}
