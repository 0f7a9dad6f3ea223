"""Canary and blue-green by Argo Rollouts, on a cluster, under requests: what the reader of the how-to
is told, from a Deployment to a Rollout and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.callers import Callers
from tests.cluster.deployment import ENVIRONMENT, NAMESPACE, Deployment
from tests.cluster.rollouts.stage import answers, apply_files, bring_in_by, move, running_stage
from tests.cluster.rollouts.versions import BETTER, FAILING, register_bad_versions
from tests.cluster.rollouts.watch import phase, weight

STEPS = [{"weight": 25, "minutes": 1.5, "requests": 200}, 100]


@pytest.fixture(scope="module")
def staged(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A model that rolls, applied by `servestack up`."""
    if not deployment.cluster.ingress:
        pytest.skip(f"{deployment.cluster.kind}: no ingress controller is reached from here")
    folder = tmp_path_factory.mktemp("rollouts")
    register_bad_versions(deployment.mlflow_uri, folder)
    with running_stage(deployment, folder):
        deployment.servestack("up", ENVIRONMENT, "--yes")
        deployment.wait("an answer", lambda: answers(deployment))
        yield deployment


def quiet(deployment: Deployment) -> bool:
    return "no changes" in deployment.servestack("diff", ENVIRONMENT, "--live").lower()


def test_a_rollout_takes_the_pods_over_from_a_deployment(staged: Deployment) -> None:
    bring_in_by(staged, "canary", steps=STEPS, bakeMinutes=0.2)
    with Callers(staged) as callers:
        said = staged.servestack("up", ENVIRONMENT, "--yes")
        assert "beside those of the Deployment" in said
        staged.wait("a Rollout that is healthy", lambda: phase(staged)[0] == "Healthy")
        time.sleep(3)
    assert callers.failures == []
    assert staged.kubectl("-n", NAMESPACE, "get", "deployments", "-o", "name") == ""
    assert quiet(staged)


def test_a_good_canary_goes_through_and_nobody_disturbs_it(
    staged: Deployment, record_property: Callable[[str, object], None]
) -> None:
    move(staged, BETTER)
    with Callers(staged) as callers:
        staged.servestack("up", ENVIRONMENT, "--yes")
        staged.wait("the first step", lambda: weight(staged) == 25)
        time.sleep(3)  # Until the router has read it.
        before = callers.versions.copy()
        assert quiet(staged)
        apply_files(staged)
        staged.servestack("up", ENVIRONMENT, "--yes")
        assert weight(staged) == 25
        seen = callers.versions - before
        assert "iris: complete" in staged.servestack("wait", ENVIRONMENT, "--timeout=4m")
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
        staged.wait("no more requests", lambda: weight(staged) == 0, 180)
        record_property("canary with 5% errors: given up", f"{time.monotonic() - began:.0f} s")
    said = staged.servestack("wait", ENVIRONMENT, "--timeout=1m", fails=True)
    assert "SRV695" in said
    assert "more-errors-than-stable" in said
    assert "more-errors-than-stable" in staged.servestack("status", ENVIRONMENT, "--live")
