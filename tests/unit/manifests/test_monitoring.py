"""Scraping, rules and dashboards of one model, for every style and every odd number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.monitoring import (
    build_dashboard_config_map,
    build_pod_monitor,
    build_prometheus_rule,
    build_rules_config_map,
    latency_buckets,
    scrape_annotations,
)
from servestack.manifests.rules import BURN_RATES, bucket_matcher, rule_groups
from servestack.resolve.resolved import ResolvedService
from servestack.review.validate import validate
from tests.support.projects import REPOSITORY
from tests.support.services import resolved


def alerts(service: ResolvedService) -> list[dict[str, Any]]:
    return [rule for group in rule_groups(service) for rule in group["rules"] if "alert" in rule]


def with_latency(folder: Path, milliseconds: float) -> ResolvedService:
    objective = {"percentile": 95, "milliseconds": milliseconds}
    return resolved(
        folder,
        {
            "monitoring": {"slo": {"latency": objective}},
            "api": {"limits": {"timeoutSeconds": 3000}},
            "shutdown": {"requestSeconds": 3000},
        },
    )


@pytest.mark.parametrize(
    ("milliseconds", "bucket", "matcher"),
    [
        (50, 0.05, 'le="0.05"'),
        (2.2, 0.0022, 'le="0.0022"'),
        # 9.7 / 1000 is 0.009699999999999999 in binary.
        (9.7, 0.0097, 'le="0.0097"'),
        (1234.5678, 1.2345678, 'le="1.2345678"'),
        (100_000.5, 100.0005, 'le="100.0005"'),
        (0.05, 5e-05, 'le="5e-05"'),
        (1000, 1.0, 'le=~"1|1[.]0"'),
        (600_000, 600.0, 'le=~"600|600[.]0"'),
    ],
)
def test_the_objective_is_a_bucket_and_the_rules_read_that_bucket(
    tmp_path: Path, milliseconds: float, bucket: float, matcher: str
) -> None:
    service = with_latency(tmp_path, milliseconds)
    slo = service.spec.monitoring.slo
    assert slo is not None and slo.latency is not None
    assert bucket in latency_buckets(service)
    assert bucket_matcher(slo.latency) == matcher
    rule = next(rule for group in rule_groups(service)[1:] for rule in group["rules"])
    assert matcher in rule["expr"]


@pytest.mark.parametrize(
    ("availability", "percentile", "windows"),
    [
        (99.9, 99, {"1h", "6h", "1d", "3d"}),
        (99.999, 95, {"1h", "6h", "1d", "3d"}),
        # A tenth may be slow: at worst the budget goes ten times too fast, never 14.4 times.
        (99, 90, {"6h", "1d", "3d"}),
        (99, 80, {"1d", "3d"}),
        (99, 50, {"3d"}),
    ],
)
def test_no_alert_waits_for_more_than_everything(
    tmp_path: Path, availability: float, percentile: float, windows: set[str]
) -> None:
    latency = {"percentile": percentile, "milliseconds": 50}
    service = resolved(
        tmp_path, {"monitoring": {"slo": {"availability": availability, "latency": latency}}}
    )
    slow = [rule for rule in alerts(service) if rule["alert"] == "ModelServiceSlow"]
    assert {rule["labels"]["window"] for rule in slow} == windows
    for rule in alerts(service):
        for rate, budget in re.findall(r"> ([\d.]+) \* ([\de.-]+)\n? ?and", rule["expr"]):
            assert float(rate) * float(budget) < 1


def test_burn_rates_of_the_template_are_those_of_the_code() -> None:
    template = (REPOSITORY / "monitoring/rules/slo.yaml.j2").read_text()
    written = re.findall(r"^ *\(([\d.]+), \"\d", template, flags=re.MULTILINE)
    assert tuple(map(float, written)) == BURN_RATES


def test_a_parked_model_raises_no_alarm(tmp_path: Path) -> None:
    parked = {rule["alert"] for rule in alerts(resolved(tmp_path / "a", {"replicas": 0}))}
    served = {rule["alert"] for rule in alerts(resolved(tmp_path / "b", {"replicas": 1}))}
    assert served - parked == {"ModelServiceDown"}


def test_rules_go_where_the_environment_reads_them(tmp_path: Path) -> None:
    import yaml

    operator = resolved(tmp_path / "a", None, {"prometheus": {"labels": {"release": "x"}}})
    annotations = resolved(tmp_path / "b", None, {"prometheus": {"style": "annotations"}})
    nobody = resolved(tmp_path / "c", None, {"prometheus": None, "grafana": None})
    rule, monitor = build_prometheus_rule(operator), build_pod_monitor(operator)
    config = build_rules_config_map(annotations)
    assert rule is not None and monitor is not None and config is not None
    for body in (rule, monitor, config):
        assert validate(body) == []
    assert {body["metadata"]["labels"]["release"] for body in (rule, monitor)} == {"x"}
    (text,) = config["data"].values()
    assert yaml.safe_load(text) == {"groups": rule_groups(annotations)} == rule["spec"]
    assert scrape_annotations(annotations) == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8080",
        "prometheus.io/path": "/metrics",
    }
    assert build_rules_config_map(operator) is build_prometheus_rule(annotations) is None
    assert build_pod_monitor(annotations) is build_pod_monitor(nobody) is None
    assert build_prometheus_rule(nobody) is build_rules_config_map(nobody) is None
    assert scrape_annotations(operator) == scrape_annotations(nobody) == {}
    assert build_dashboard_config_map(nobody) is None


def test_without_objectives_and_alerts_there_is_no_rule(tmp_path: Path) -> None:
    from tests.support.services import NULL

    service = resolved(tmp_path, {"monitoring": {"slo": NULL, "alerts": False}})
    assert rule_groups(service) == []
    assert build_prometheus_rule(service) is None
    assert build_dashboard_config_map(service) is not None


HOSTILE = 'say "@service@" 50% %(service)s \\ @latency_seconds@ {{ $value }} é'


def test_what_a_model_says_is_never_read_as_a_mark(tmp_path: Path) -> None:
    runbook = "https://example.com/@service@/x"
    service = resolved(tmp_path, {"description": HOSTILE, "monitoring": {"runbook": runbook}})
    body = build_dashboard_config_map(service)
    assert body is not None
    dashboard = json.loads(body["data"]["iris.json"])
    assert dashboard["description"].startswith(HOSTILE)
    assert {rule["annotations"]["runbook_url"] for rule in alerts(service)} == {runbook}


def test_an_alert_links_to_its_section_of_the_runbooks(tmp_path: Path) -> None:
    page = "https://docs.example.com/operations/alerts/"
    environment = {"prometheus": {"runbooks": page}}
    links = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for rule in alerts(resolved(tmp_path / "page", None, environment))
    }
    assert links["ModelServiceDown"] == f"{page}#modelservicedown"
    assert links == {name: f"{page}#{name.lower()}" for name in links}
    own = {"monitoring": {"runbook": "https://example.com/churn"}}
    service = resolved(tmp_path / "own", own, environment)
    assert {rule["annotations"]["runbook_url"] for rule in alerts(service)} == {
        "https://example.com/churn"
    }


def test_no_mark_is_left_and_each_dashboard_is_its_own(tmp_path: Path) -> None:
    identifiers = set()
    for number, (name, environment) in enumerate(
        [("a", "prod"), ("a-b", "prod"), ("x" * 63, "prod")]
    ):
        service = resolved(tmp_path / f"{number}", {"name": name}, {"name": environment})
        body = build_dashboard_config_map(service)
        assert body is not None
        text = body["data"][f"{name}.json"]
        assert not re.search(r"@[a-z_]+@", text + json.dumps(rule_groups(service)))
        assert len(text) < 12_000
        identifiers.add(json.loads(text)["uid"])
    assert len(identifiers) == 3
    assert all(len(identifier) <= 40 for identifier in identifiers)
