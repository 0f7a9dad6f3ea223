"""A manifest becomes a resource of its kind with exactly its fields."""

from __future__ import annotations

from typing import Any

import pytest

from servestack.manifests.manifest import Body, Manifest
from tests.support.pulumi_mocks import Run, under_mocks

CANARY = "canary-77aa01"
# How Pulumi marks a secret on the wire.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


def declare(bodies: list[Body]) -> None:
    import pulumi

    from servestack.apply.resource_types import declare_manifest

    for body in bodies:
        manifest = Manifest("iris", "workload", "builder", "models/iris.yaml", body)
        declare_manifest(manifest, f"{body['apiVersion']}/{body['kind']}", pulumi.ResourceOptions())


def renamed_words() -> dict[str, str]:
    """Every word that the SDK's classes write in another way, as keys that a user may choose."""
    from pulumi_kubernetes import _tables

    table: dict[str, str] = _tables.SNAKE_TO_CAMEL_CASE_TABLE
    return dict.fromkeys([*table, *table.values()], "kept")


def body(api_version: str, kind: str, **fields: Any) -> Body:
    metadata = {"name": "iris", "labels": renamed_words(), "annotations": renamed_words()}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata} | fields


POD = {
    "metadata": {"labels": renamed_words()},
    "spec": {
        "nodeSelector": renamed_words(),
        "containers": [{"name": "server", "env": [{"name": "api_version", "value": "pod_ip"}]}],
    },
}
SELECTOR = {"matchLabels": renamed_words()}
BODIES = [
    body("v1", "Namespace"),
    body("v1", "ServiceAccount", automountServiceAccountToken=False, imagePullSecrets=[]),
    body("v1", "ConfigMap", data=renamed_words()),
    body("v1", "Service", spec={"selector": renamed_words()}),
    body("apps/v1", "Deployment", spec={"selector": SELECTOR, "template": POD}),
    body("argoproj.io/v1alpha1", "AnalysisTemplate", spec={"metrics": [renamed_words()]}),
    body("argoproj.io/v1alpha1", "Rollout", spec={"selector": SELECTOR, "template": POD}),
    body(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={"metrics": [{"pods": {"metric": {"name": "m", "selector": SELECTOR}}}]},
    ),
    body(
        "keda.sh/v1alpha1",
        "ScaledObject",
        spec={"scaleTargetRef": {"name": "pod_ip"}, "triggers": [{"metadata": renamed_words()}]},
    ),
    body("policy/v1", "PodDisruptionBudget", spec={"selector": SELECTOR}),
    body("networking.k8s.io/v1", "Ingress", spec={"rules": [{"host": "a.example.com"}]}),
    body("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": SELECTOR}),
    body("gateway.networking.k8s.io/v1", "HTTPRoute", spec={"parentRefs": [{"name": "pod_ip"}]}),
    body("monitoring.coreos.com/v1", "PodMonitor", spec={"selector": SELECTOR}),
    body("monitoring.coreos.com/v1", "PrometheusRule", spec={"labels": renamed_words()}),
    body("kafka.strimzi.io/v1", "KafkaTopic", spec={"config": renamed_words()}),
]


@pytest.fixture(scope="module")
def run() -> Run:
    return under_mocks(declare, BODIES)


@pytest.mark.parametrize("wanted", BODIES, ids=lambda wanted: wanted["kind"])
def test_fields_are_kept_and_users_keys_are_not_renamed(run: Run, wanted: Body) -> None:
    assert len(renamed_words()) > 500
    assert run.objects()[f"{wanted['apiVersion']}/{wanted['kind']}"].inputs == wanted


@pytest.mark.parametrize("wanted", BODIES, ids=lambda wanted: wanted["kind"])
def test_the_resource_is_of_the_objects_type(run: Run, wanted: Body) -> None:
    group = wanted["apiVersion"] if "/" in wanted["apiVersion"] else "core/v1"
    resource = run.objects()[f"{wanted['apiVersion']}/{wanted['kind']}"]
    # The namespace may be somebody else's: a patch owns its fields alone (docs/adr/0011).
    kind = "NamespacePatch" if wanted["kind"] == "Namespace" else wanted["kind"]
    assert resource.type == f"kubernetes:{group}:{kind}"


def test_a_secrets_values_are_marked_and_nothing_else() -> None:
    secret = body("v1", "Secret", stringData={"password": CANARY})
    plain = body("v1", "ConfigMap", data={"password": CANARY})
    objects = under_mocks(declare, [secret, plain]).objects()
    marked = f'"stringData": {{"{SIGNATURE}": "{SECRET}", "value": {{"password"'
    assert marked in objects["v1/Secret"].wire
    assert objects["v1/Secret"].wire.count(SECRET) == 1
    assert SECRET not in objects["v1/ConfigMap"].wire
