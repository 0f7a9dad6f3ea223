"""A model that rolls, in an environment with Argo Rollouts, a router and a Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.deployment import ENVIRONMENT, NAMESPACE, ROW, Deployment
from tests.cluster.rollouts.engine import running_engine
from tests.cluster.rollouts.versions import GOOD
from tests.cluster.scraping import running_prometheus
from tests.support.projects import set_in_yaml

SPEC = "models/iris.yaml"
_INGRESS = {
    "kind": "ingress",
    "className": "nginx",
    "hostSuffix": "models.localhost",
    "namespace": "traefik",
}
_SLO = {"availability": 99, "latency": {"percentile": 90, "milliseconds": 50}}
_QUICK = {"minReadySeconds": 1, "progressDeadlineSeconds": 60}


@contextmanager
def running_stage(deployment: Deployment, folder: Path) -> Iterator[None]:
    """The engine and Prometheus, and the project of version 1, committed and not applied yet.

    The registry has the versions already (`register_bad_versions`).
    """
    deployment.hand_over_secrets()
    with (
        running_engine(deployment, folder),
        running_prometheus(deployment, folder) as prometheus,
    ):
        rollouts = {"engine": "argo", "prometheusAddress": prometheus, "router": "nginx"}
        stack = deployment.root / f"stacks/{ENVIRONMENT}.yaml"
        set_in_yaml(stack, ingress=_INGRESS, rollouts=rollouts)
        set_in_yaml(
            deployment.root / SPEC,
            trust={"code": True}, monitoring={"slo": _SLO}, autoscaling=None, replicas=2,
        )  # fmt: skip
        move(deployment, GOOD)
        try:
            yield
        finally:
            deployment.delete_namespaces(NAMESPACE)


def move(deployment: Deployment, version: str) -> None:
    """Lock, render and commit a version of the model."""
    deployment.move_alias(version)
    commit(deployment, f"version {version}")


def bring_in_by(deployment: Deployment, strategy: str, **settings: Any) -> None:
    """Say in the spec how versions come in, render and commit it."""
    rollout = {"strategy": strategy, **_QUICK, **settings}
    set_in_yaml(deployment.root / SPEC, rollout=rollout)
    commit(deployment, f"versions come in by {strategy}")


def commit(deployment: Deployment, message: str) -> None:
    deployment.servestack("render", ENVIRONMENT)
    deployment.commit(message)


def apply_files(deployment: Deployment) -> None:
    """As GitOps does, without force."""
    deployment.kubectl("apply", "--server-side", "-R", "-f", f"rendered/{ENVIRONMENT}")


def answers(deployment: Deployment) -> bool:
    """Whether the router leads a request to a pod that answers it."""
    return deployment.post("/v1/iris/predict", ROW).status_code == 200
