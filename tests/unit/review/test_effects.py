"""The table of effects: what a reviewer is told that a change does."""

from __future__ import annotations

from typing import Any

import pytest

from servestack.manifests.manifest import Body
from tests.unit.review.bodies import (
    autoscaler,
    config_map,
    deployment,
    effects,
    pods_metric,
    policy,
    rules,
)

DENY: Body = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
OWN: Body = {"podSelector": {"matchLabels": {"app": "iris"}}, "ingress": [{}]}
SOLVER: Body = {
    "podSelector": {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}},
    "ingress": [{}],
}
RECORD: Body = {"record": "iris:errors:rate5m", "expr": "sum(errors)"}
ALERT: Body = {"alert": "Errors", "expr": "errors > 1", "labels": {"severity": "page"}}


def kind(name: str, spec: Any = None, **metadata: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": name,
        "metadata": {"name": "a", **metadata},
        "spec": spec or {},
    }


@pytest.mark.parametrize(
    ("body", "appears", "goes"),
    [
        (policy(DENY), "only traffic that a policy names", "without a policy of their own may"),
        (policy(OWN), "only named traffic is allowed", "limits on traffic no longer hold"),
        (policy(SOLVER), "challenges are let through", "challenges are denied"),
        (config_map({"service.json": "{}"}), "settings are added", "settings are removed"),
        (config_map({"filebeat.yml": ""}), "logs are shipped", "logs are no longer shipped"),
        (config_map({"models-iris.yaml": ""}), "alerts are evaluated", "no alert fires"),
        (config_map({"iris.json": "{}"}), "a dashboard is added", "the dashboard is removed"),
        (config_map({"other": ""}), "configuration is added", "configuration is removed"),
        (kind("Namespace"), "a namespace", "the namespace stays, without its labels"),
        (deployment(), "starts to serve", "stops serving"),
        (kind("Other"), "is created", "is deleted"),
    ],
)
def test_whole_objects(body: Body, appears: str, goes: str) -> None:
    assert appears in effects(None, body)
    assert goes in effects(body, None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (rules(RECORD), rules(RECORD, ALERT), "alert Errors is added"),
        (rules(RECORD, ALERT), rules(RECORD), "alert Errors is removed"),
        (rules(), rules(RECORD), "rule is added"),
        (rules(ALERT), rules(ALERT | {"annotations": {"summary": "x"}}), "alert is added"),
        (rules(ALERT), rules(ALERT | {"for": "5m"}), "alert waits 5m"),
        (rules(ALERT), rules(ALERT | {"expr": "errors > 2"}), "alert threshold"),
        (
            deployment(),
            deployment(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
            "size of a pod nothing→limits cpu 1, memory 1Gi",
        ),
        (deployment(image="a:1"), deployment(image="a:2"), "runs another image"),
        (
            autoscaler(pods_metric("a", "1")),
            autoscaler(pods_metric("a", "2")),
            "scales at requests per pod 1→2",
        ),
        (config_map({"a": "x"}), config_map({"a": "y"}), "takes effect when its pods restart"),
        (config_map({}), config_map({}, annotations={"a": "b"}), "no effect on traffic"),
        (config_map({}), config_map({}, labels={"a": "b"}), "who picks it up may change"),
        (kind("Ingress"), kind("Ingress", annotations={"a": "b"}), "how the controller treats"),
        (
            kind("Ingress"),
            kind("Ingress", annotations={"a": "b", "cert-manager.io/issuer": "ca"}),
            "who issues the certificate",
        ),
        (kind("Ingress"), kind("Ingress", labels={"a": "b"}), "no effect on traffic"),
        (kind("PodMonitor"), kind("PodMonitor", labels={"a": "b"}), "which Prometheus scrapes"),
        (kind("PodMonitor"), kind("PodMonitor", {"a": "b"}), "what is scraped changes"),
        (
            rules(),
            rules() | {"metadata": {"name": "iris", "labels": {"a": "b"}}},
            "which Prometheus",
        ),
    ],
)
def test_fields(old: Body, new: Body, words: str) -> None:
    assert words in effects(old, new)
