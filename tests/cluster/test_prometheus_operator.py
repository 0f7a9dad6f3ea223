"""The real Prometheus operator takes what is rendered: it scrapes, evaluates, and tells the team."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.cluster.deployment import ENVIRONMENT, NAMESPACE, Deployment
from tests.cluster.prometheus_operator import (
    MONITORING,
    RELEASE,
    ask,
    running_operator,
    watch_models,
)
from tests.support.alerting import Notice, Receiver, running_receiver
from tests.support.hurried import hurried
from tests.support.projects import set_in_yaml

FACTOR = 60
"""An hour of the rules is a minute here."""
RUNBOOKS = "https://docs.example.com/operations/alerts.html"


@dataclass(frozen=True)
class Watched:
    """The project, applied, and where its team's alerts arrive."""

    deployment: Deployment
    rules: list[dict[str, Any]]
    receiver: Receiver


@pytest.fixture(scope="module")
def watched(deployment: Deployment) -> Iterator[Watched]:
    """The operator, then the rendered files by `kubectl apply`, then who watches."""
    stack = deployment.root / f"stacks/{ENVIRONMENT}.yaml"
    set_in_yaml(
        stack,
        prometheus={
            "style": "operator", "labels": RELEASE, "namespace": MONITORING, "runbooks": RUNBOOKS,
        },
    )  # fmt: skip
    monitoring = {"scrapeIntervalSeconds": 5}
    set_in_yaml(deployment.root / "models/iris.yaml", owner="growth-ml", monitoring=monitoring)
    deployment.servestack("lock", ENVIRONMENT)
    deployment.servestack("render", ENVIRONMENT)
    rendered = deployment.root / "rendered" / ENVIRONMENT
    (file,) = rendered.rglob("prometheusrule-*.yaml")
    rule = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(hurried(rule, FACTOR)))
    with running_operator(deployment), running_receiver(deployment.cluster.host) as receiver:
        deployment.hand_over_secrets()
        try:
            deployment.kubectl(
                "apply", "--server-side", "--force-conflicts", "-R", "-f", str(rendered)
            )
            watch_models(deployment, f"{receiver.url}/team")
            yield Watched(deployment, rule["spec"]["groups"], receiver)
        finally:
            deployment.delete_namespaces(NAMESPACE)


def _targets(watched: Watched) -> list[dict[str, Any]]:
    """Those that are scraped and up; none while one of them is not."""
    found = ask(watched.deployment, "targets?state=active")
    targets = found["activeTargets"] if found else []
    return targets if all(target["health"] == "up" for target in targets) else []


def test_the_pod_monitor_is_picked_up(
    watched: Watched, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    deployment = watched.deployment
    (target,) = deployment.wait("a target that is up", lambda: _targets(watched), 240)
    record_property(
        "Prometheus of the operator: first scrape", f"{time.monotonic() - started:.0f} s"
    )
    assert target["scrapePool"] == f"podMonitor/{NAMESPACE}/iris/0"
    labels = target["labels"]
    assert labels["namespace"] == NAMESPACE
    assert labels["container"] == "server"
    assert labels["job"] == f"{NAMESPACE}/iris"
    assert labels["pod"] in {pod["metadata"]["name"] for pod in deployment.pods()}
    assert target["lastError"] == ""
    built = ask(deployment, "status/buildinfo")
    assert built["version"].startswith("3.")


def test_labels_of_requests_are_not_replaced(watched: Watched) -> None:
    """A target has a label `endpoint` of its own, the port's name: honorLabels keeps ours."""
    deployment = watched.deployment
    code = (
        "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:8080/v1/iris/predict',"
        " b'[[5.1, 3.5, 1.4, 0.2]]', {'Content-Type': 'application/json'})).read()"
    )
    pod = ("-n", NAMESPACE, "exec", "deployment/iris", "-c", "server", "--")
    deployment.kubectl(*pod, "python", "-c", code)

    def samples() -> Any:
        query = 'query?query=servestack_requests_total{endpoint="/v1/iris/predict"}'
        found = ask(deployment, query.replace("{", "%7B").replace("}", "%7D").replace('"', "%22"))
        return found and found["result"]

    (sample,) = deployment.wait("the request is counted", samples)
    metric = sample["metric"]
    assert (metric["environment"], metric["model_service"]) == (ENVIRONMENT, "iris")
    assert (metric["namespace"], metric["http_response_code"]) == (NAMESPACE, "200")
    assert not [label for label in metric if label.startswith("exported_")]


def test_every_rule_is_loaded_and_evaluated(watched: Watched) -> None:
    def evaluated() -> Any:
        found = ask(watched.deployment, "rules")
        groups = found["groups"] if found else []
        rules = [rule for group in groups for rule in group["rules"]]
        return rules and all(rule["health"] != "unknown" for rule in rules) and groups

    groups = watched.deployment.wait("every rule is evaluated", evaluated)
    assert {g["name"] for g in groups} == {g["name"] for g in watched.rules}
    loaded = [rule for group in groups for rule in group["rules"]]
    assert len(loaded) == sum(len(group["rules"]) for group in watched.rules)
    unwell = [rule for rule in loaded if rule["health"] != "ok" or rule.get("lastError")]
    assert unwell == []


def test_an_alert_reaches_the_team_by_its_namespace(watched: Watched) -> None:
    """The operator adds to a team's AlertmanagerConfig that only alerts of its namespace go there."""
    deployment, receiver = watched.deployment, watched.receiver

    def down() -> list[Notice]:
        return [notice for notice in receiver.of("iris") if notice.name == "ModelServiceDown"]

    def since(moment: float, status: str) -> list[Notice]:
        return [n for n in down() if n.status == status and n.at > moment]

    # Hurried as the rules are, the alert may have fired before the first pod was ready.
    deployment.wait("no pod is missed", lambda: not down() or down()[-1].status == "resolved")
    moment = time.monotonic()
    scale = ("-n", NAMESPACE, "scale", "deployment/iris")
    deployment.kubectl(*scale, "--replicas=0")
    (notice, *_) = deployment.wait("the team is told", lambda: since(moment, "firing"))
    assert notice.receiver == "team"
    assert notice.labels["namespace"] == NAMESPACE
    assert (notice.labels["severity"], notice.labels["owner"]) == ("page", "growth-ml")
    assert notice.annotations["runbook_url"] == f"{RUNBOOKS}#modelservicedown"
    assert not re.search(r"\{\{|<<", notice.annotations["summary"])
    deployment.kubectl(*scale, "--replicas=1")
    deployment.wait("the team is told that it is over", lambda: since(notice.at, "resolved"))
