"""Canary and blue-green by Argo Rollouts, on a cluster, under requests: what the reader of the how-to
is told, from a Deployment to a Rollout and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.callers import Callers
from tests.cluster.deployment import ENVIRONMENT, NAMESPACE, Deployment
from tests.cluster.rollouts.engine import running_engine
from tests.cluster.rollouts.versions import BETTER, FAILING, GOOD, register_versions
from tests.cluster.rollouts.watch import phase, weight
from tests.cluster.scraping import running_prometheus
from tests.support.projects import set_in_yaml

STEP_SECONDS = 20
CANARY = {
    "strategy": "canary",
    "steps": [{"weight": 25, "minutes": STEP_SECONDS / 60, "requests": 200}, 100],
    "bakeMinutes": 0.25,
    "minReadySeconds": 1,
    "progressDeadlineSeconds": 60,
}


@pytest.fixture(scope="module")
def staged(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Argo Rollouts, a Prometheus, and a model that rolls, applied by `servestack up`."""
    if not deployment.cluster.ingress:
        pytest.skip(f"{deployment.cluster.kind}: no ingress controller is reached from here")
    folder = tmp_path_factory.mktemp("rollouts")
    register_versions(deployment.mlflow_uri, folder)
    deployment.hand_over_secrets()
    with (
        running_engine(deployment, folder),
        running_prometheus(deployment, folder) as prometheus,
    ):
        stack = deployment.root / f"stacks/{ENVIRONMENT}.yaml"
        set_in_yaml(
            stack,
            ingress={
                "kind": "ingress", "className": "nginx", "hostSuffix": "models.localhost",
                "namespace": "traefik",
            },
            rollouts={"engine": "argo", "prometheusAddress": prometheus, "router": "nginx"},
        )  # fmt: skip
        slo = {"availability": 99, "latency": {"percentile": 90, "milliseconds": 100}}
        set_in_yaml(
            deployment.root / "models/iris.yaml",
            trust={"code": True}, monitoring={"slo": slo}, autoscaling=None, replicas=2,
        )  # fmt: skip
        move(deployment, GOOD)
        deployment.servestack("up", ENVIRONMENT, "--yes")
        deployment.wait(
            "answers",
            lambda: deployment.post("/v1/iris/predict", [[5.1, 3.5, 1.4, 0.2]]).status_code == 200,
        )
        try:
            yield deployment
        finally:
            deployment.servestack("destroy", ENVIRONMENT, "--yes")
            deployment.delete_namespaces(NAMESPACE)


def move(deployment: Deployment, version: str) -> None:
    deployment.move_alias(version)
    deployment.servestack("render", ENVIRONMENT)
    deployment.commit(f"version {version}")


def test_a_rollout_takes_the_pods_over_from_a_deployment(staged: Deployment) -> None:
    set_in_yaml(staged.root / "models/iris.yaml", rollout=CANARY)
    staged.servestack("render", ENVIRONMENT)
    staged.commit("canaries from now on")
    with Callers(staged) as callers:
        said = staged.servestack("up", ENVIRONMENT, "--yes")
        assert "beside those of the Deployment" in said
        staged.wait("a Rollout that is healthy", lambda: phase(staged)[0] == "Healthy")
        time.sleep(3)
    assert callers.failures == []
    assert staged.kubectl("-n", NAMESPACE, "get", "deployments", "-o", "name") == ""
    assert "no changes" in staged.servestack("diff", ENVIRONMENT, "--live").lower()


def test_a_good_canary_goes_through_and_nobody_disturbs_it(
    staged: Deployment, record_property: Callable[[str, object], None]
) -> None:
    move(staged, BETTER)
    with Callers(staged) as callers:
        staged.servestack("up", ENVIRONMENT, "--yes")
        staged.wait("the first step", lambda: weight(staged) == 25)
        time.sleep(3)  # Until the router has read it.
        before = callers.versions.copy()
        assert "no changes" in staged.servestack("diff", ENVIRONMENT, "--live").lower()
        staged.kubectl("apply", "--server-side", "-R", "-f", f"rendered/{ENVIRONMENT}", fails=True)
        staged.servestack("up", ENVIRONMENT, "--yes")
        assert weight(staged) == 25
        seen = callers.versions - before
        staged.wait("the new version alone", lambda: phase(staged)[0] == "Healthy", 180)
    assert callers.failures == []
    share = 100 * seen[BETTER] / seen.total()
    record_property("canary: share seen at 25%", f"{share:.1f}% of {seen.total()}")
    assert abs(share - 25) < 8


def test_a_canary_that_fails_is_given_up(
    staged: Deployment, record_property: Callable[[str, object], None]
) -> None:
    move(staged, FAILING)
    with Callers(staged):
        staged.servestack("up", ENVIRONMENT, "--yes")
        staged.wait("the first step", lambda: weight(staged) == 25)
        began = time.monotonic()
        staged.wait("the end", lambda: phase(staged)[0] == "Degraded", 180)
        staged.wait("no more requests", lambda: weight(staged) == 0)
        record_property("canary with 5% errors: given up", f"{time.monotonic() - began:.0f} s")
    assert "more-errors-than-stable" in phase(staged)[1]
