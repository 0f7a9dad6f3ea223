"""From a registered model to answers, and all that may come after, in the order of a model's life."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.cluster.callers import Callers
from tests.cluster.deployment import ENVIRONMENT, NAMESPACE, Deployment, git
from tests.cluster.scraping import query, running_prometheus
from tests.served.trained import iris
from tests.support.mlflow_server import asking
from tests.support.projects import REPOSITORY, set_in_yaml
from tests.support.tools import installed

ROLLS = int(os.environ.get("ROLLS", "1"))
"""Rolling updates in a row under steady requests; the bar of ten is measured with ROLLS=10."""


@pytest.fixture(autouse=True)
def _with_ingress(deployment: Deployment, record_property: Callable[[str, object], None]) -> None:
    record_property("whole cluster", deployment.cluster.kind)
    if not deployment.cluster.ingress:
        pytest.skip(f"{deployment.cluster.kind}: no ingress controller is reached from here")


def test_up_serves_through_the_ingress(deployment: Deployment) -> None:
    deployment.servestack("lock", ENVIRONMENT)
    deployment.commit("version 1")
    deployment.hand_over_secrets()
    deployment.servestack("up", ENVIRONMENT, "--yes")
    answer = deployment.wait("the ingress", lambda: _answered(deployment))
    assert (answer["predictions"], answer["version"]) == ([0], "1")
    namespace = deployment.client.get(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    )
    assert namespace is not None
    enforced = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforced == "restricted"
    page = deployment.get("/v1/iris/docs")
    assert (page.status_code, "swagger" in page.text) == (200, True)
    assert deployment.get("/v1/iris/openapi.json").json()["openapi"].startswith("3.1")
    assert deployment.get("/metrics").status_code == 404


def _answered(deployment: Deployment) -> dict[str, object] | None:
    answer = deployment.post("/v1/iris/predict", [[5.1, 3.5, 1.4, 0.2]])
    return answer.json() if answer.status_code == 200 else None


def test_what_was_applied_is_no_drift(deployment: Deployment) -> None:
    assert "no changes" in deployment.servestack("diff", ENVIRONMENT, "--live").lower()


def test_prometheus_finds_the_pods_by_their_annotations(
    deployment: Deployment, tmp_path: Path
) -> None:
    with running_prometheus(deployment, tmp_path) as address:
        expression = 'sum by (environment, model_service) (servestack_requests_total{endpoint="/v1/iris/predict"})'
        (found,) = deployment.wait("a scrape", lambda: query(address, expression))
        assert found["metric"] == {"environment": ENVIRONMENT, "model_service": "iris"}
        (info,) = query(address, "servestack_model_info")
        assert info["metric"]["version"] == "1"
        assert query(address, "up == 0") == []


def test_load_adds_pods(deployment: Deployment) -> None:
    if not deployment.cluster.has_metrics:
        pytest.skip(f"{deployment.cluster.kind}: nobody answers metrics.k8s.io")
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "iris", "namespace": NAMESPACE},
    }

    def utilization() -> int | None:
        status = (deployment.client.get(scaler) or {}).get("status", {})
        for metric in status.get("currentMetrics") or []:
            current = metric.get("containerResource", {}).get("current", {})
            if "averageUtilization" in current:
                return int(current["averageUtilization"]) + 1
        return None

    deployment.wait("a CPU figure in the HPA", utilization, 180)
    script = deployment.root / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.body = "[[5.1,3.5,1.4,0.2]]"\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
        'wrk.headers["Host"] = "iris.models.localhost"\n'
        # Some 350 requests a second are several times what the autoscaler wants a pod to do.
        "function delay() return 10 end\n"
    )
    load = subprocess.Popen(
        [installed("wrk"), "-t1", "-c4", "-d120s", "-s", script,
         f"{deployment.cluster.ingress}/v1/iris/predict"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deployment.wait("more pods", lambda: len(deployment.pods()) > 1, 180)
    finally:
        load.terminate()
        load.wait()


def test_rolling_updates_lose_no_request(
    deployment: Deployment, record_property: Callable[[str, object], None]
) -> None:
    with Callers(deployment) as callers:
        for roll in range(ROLLS):
            deployment.move_alias("2" if roll % 2 == 0 else "1")
            deployment.servestack("up", ENVIRONMENT, "--yes")
    told = f"{len(callers.failures)} of {callers.sent} requests failed"
    record_property(f"{ROLLS} rolling updates", told)
    assert callers.failures == []
    assert set(callers.versions) == {"1", "2"}
    assert callers.sent > 50 * ROLLS
    deployment.move_alias("2")
    deployment.servestack("up", ENVIRONMENT, "--yes")
    deployment.commit("version 2")
    deployment.wait("one version alone", lambda: _versions(deployment) == {"2"})
    deployment.wait("its answers", lambda: deployment.predict()["version"] == "2")


def test_a_node_is_drained_and_no_request_is_lost(
    deployment: Deployment, record_property: Callable[[str, object], None]
) -> None:
    nodes = deployment.kubectl("get", "nodes", "-o", "name").split()
    if len(nodes) < 2:
        pytest.skip(f"{deployment.cluster.kind}: there is one node alone")
    set_in_yaml(deployment.root / "models/iris.yaml", autoscaling={"min": 2, "max": 3})
    deployment.commit("two pods at least")
    deployment.servestack("up", ENVIRONMENT, "--yes")
    deployment.wait("a pod on each of two nodes", lambda: len(_nodes(deployment)) == 2)
    (drained,) = _nodes(deployment) - {_first_node(deployment)}
    drain = ("drain", drained, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
    try:
        with Callers(deployment) as callers:
            deployment.kubectl(*drain)
            deployment.wait("no pod there", lambda: drained not in _nodes(deployment))
    finally:
        deployment.kubectl("uncordon", drained)
    assert len(deployment.pods()) >= 2
    told = f"{len(callers.failures)} of {callers.sent} requests failed"
    record_property("a drained node", told)
    assert callers.failures == []
    assert callers.sent > 50


def _nodes(deployment: Deployment) -> set[str]:
    """Where the model's pods are; those of an earlier version still count."""
    return {pod["spec"].get("nodeName", "") for pod in deployment.pods()}


def _first_node(deployment: Deployment) -> str:
    """Where Traefik is, which stays."""
    label = "--selector=node-role.kubernetes.io/control-plane"
    return deployment.kubectl("get", "nodes", label, "-o", "name").strip().removeprefix("node/")


def test_a_kafka_that_hangs_costs_no_answer_and_no_event(deployment: Deployment) -> None:
    with deployment.kafka.hanging(), Callers(deployment) as callers:
        time.sleep(10)
    assert callers.failures == []
    deployment.wait("the events of the meantime", lambda: not deployment.without_event())


def test_an_artifact_that_is_not_the_locked_one_never_serves(
    deployment: Deployment, record_property: Callable[[str, object], None]
) -> None:
    lock = deployment.root / f"stacks/{ENVIRONMENT}.lock.yaml"
    text = lock.read_text()
    (digest,) = re.findall(r"\b[0-9a-f]{64}\b", text)
    lock.write_text(text.replace(digest, "0" * 64))
    deployment.commit("a digest that is not the artifact's")
    started = time.monotonic()
    with Callers(deployment) as callers:
        said = deployment.servestack("up", ENVIRONMENT, "--yes", fails=True)
    told = f"{time.monotonic() - started:.0f} s with a progress deadline of 45 s"
    record_property("a bad version fails `up` after", told)
    assert f"has sha256 {digest}, but {'0' * 64} is locked" in said
    assert "SRV524 iris: version 2 was not rolled out within 45 s" in said
    assert "fetch: exited with 1" in said
    assert "still serving: version 2" in said
    assert callers.failures == []
    assert set(callers.versions) == {"2"}


def test_reverting_the_lock_rolls_back(deployment: Deployment) -> None:
    git(deployment.root, "revert", "--no-edit", "HEAD")
    deployment.servestack("up", ENVIRONMENT, "--yes")
    assert deployment.predict()["version"] == "2"
    deployment.wait("one version alone", lambda: _versions(deployment) == {"2"})


def _versions(deployment: Deployment) -> set[str]:
    return {pod["metadata"]["labels"]["servestack.dev/version"] for pod in deployment.pods()}


def test_a_model_that_does_not_load_never_serves(deployment: Deployment) -> None:
    version = _register_forest(deployment.mlflow_uri)
    deployment.move_alias(version)
    with Callers(deployment) as callers:
        said = deployment.servestack("up", ENVIRONMENT, "--yes", fails=True)
    assert "skopsTypes: [sklearn.tree._tree.Tree]" in said
    assert callers.failures == []
    assert set(callers.versions) == {"2"}
    git(deployment.root, "checkout", "-q", "--", ".")
    deployment.servestack("up", ENVIRONMENT, "--yes")


def _register_forest(uri: str) -> str:
    """A version whose file holds a type that the spec does not trust: no check sees it before."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.ensemble import RandomForestClassifier

    data, species = iris()
    model = RandomForestClassifier(n_estimators=5).fit(data, species)
    with asking(uri, "iris"), mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model, name="model", serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"], registered_model_name="iris",
            signature=infer_signature(data, species), pip_requirements=["scikit-learn"],
        )  # fmt: skip
    return str(info.registered_model_version)


def test_drift_is_found(deployment: Deployment) -> None:
    deployment.kubectl(
        "-n", NAMESPACE, "set", "image", "deployment/iris", "server=localhost/other:1"
    )
    deployment.kubectl("-n", NAMESPACE, "delete", "poddisruptionbudget,ingress", "--all")
    report = json.loads(
        deployment.servestack("diff", ENVIRONMENT, "--live", "--output", "json", fails=True)
    )
    text = json.dumps(report)
    assert "localhost/other:1" in text
    assert "Ingress" in text
    deployment.kubectl("-n", NAMESPACE, "rollout", "undo", "deployment/iris")


def test_destroy_leaves_what_the_platform_made(deployment: Deployment) -> None:
    """The namespace with Kafka's Secrets was there first (docs/adr/0011)."""
    said = deployment.servestack("destroy", ENVIRONMENT, "--yes")
    (announced,) = [line for line in said.splitlines() if line.startswith("deletes: ")]
    assert "Deployment/iris" in announced
    kinds = "deployments,services,ingresses,networkpolicies,horizontalpodautoscalers"
    assert (
        deployment.kubectl("-n", NAMESPACE, "get", kinds, "-o", "name", "--ignore-not-found") == ""
    )
    secrets = deployment.kubectl("-n", NAMESPACE, "get", "secrets", "-o", "name").split()
    assert set(secrets) == {"secret/kafka-ca", "secret/kafka-credentials"}


def test_kafka_has_an_event_of_every_answer(
    deployment: Deployment, record_property: Callable[[str, object], None]
) -> None:
    """Of all pods, those of every update that failed or was rolled back included."""
    lost = deployment.without_event()
    told = f"{len(lost)} of {len(deployment.answered)} answers have none in Kafka"
    record_property("events", told)
    assert len(deployment.answered) > 100 * ROLLS
    assert lost == set()
    key, value = deployment.kafka.read("servestack.iris.predictions")[0]
    event = json.loads(value)
    assert event["id"] == key
    jsonschema.validate(event, json.loads((REPOSITORY / "logging/event.schema.json").read_text()))


def test_kubectl_applies_what_is_rendered(deployment: Deployment) -> None:
    deployment.servestack("render", ENVIRONMENT)
    folder = f"rendered/{ENVIRONMENT}"
    deployment.kubectl("apply", "--server-side", "-R", "-f", folder)
    deployment.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/iris", "--timeout=120s")
    answer = deployment.wait("the ingress", lambda: _answered(deployment))
    assert answer["version"] == "2"
    assert "no changes" in deployment.servestack("diff", ENVIRONMENT, "--live").lower()
    deployment.kubectl("delete", "-R", "-f", folder, "--wait=false")
    namespace = ("get", "namespace", NAMESPACE, "--ignore-not-found")
    deployment.wait("no namespace", lambda: deployment.kubectl(*namespace) == "", 300)
