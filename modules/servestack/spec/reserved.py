"""What servestack, its server or Kubernetes have already taken: names, labels, variables."""

from __future__ import annotations

DEFAULT_POLICY = "default-deny"
"""Name of the NetworkPolicy of each environment's namespace."""

RESERVED_NAMES = {
    "default": "every namespace has a ServiceAccount of this name",
    DEFAULT_POLICY: "the environment's own NetworkPolicy has this name",
    "kubernetes": "the Service of the Kubernetes API has this name",
}
"""Names that no model may have, and why: its objects have the model's name."""

RESERVED_NAMESPACES = "kube-"
"""How the namespaces of Kubernetes itself begin."""

RESERVED_VARIABLES = ("SERVESTACK_", "KAFKA_", "MLFLOW_")
RESERVED_FOR_FETCHING = ("SERVESTACK_", "MLFLOW_TRACKING_URI")
RESERVED_LABELS = ("app.kubernetes.io/", "servestack.dev/", "kubernetes.io/", "k8s.io/")

OWN_LABELS = tuple(
    f"app.kubernetes.io/{key}" for key in ("name", "component", "managed-by", "part-of")
)
"""Labels that every object of a model has."""
