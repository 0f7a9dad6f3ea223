"""Scraping, rules and dashboards of one model, for every style and every odd number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.dashboards import dashboard_text
from servestack.manifests.environment import build_fleet_dashboard_config_map
from servestack.manifests.monitoring import (
    build_dashboard_config_map,
    build_pod_monitor,
    build_prometheus_rule,
    build_rules_config_map,
    latency_buckets,
    scrape_annotations,
)
from servestack.manifests.names import dashboard_uid, fleet_dashboard_uid
from servestack.manifests.rules import BURN_RATES, bucket_matcher, rule_groups
from servestack.resolve.resolved import ResolvedService
from servestack.review.policy.sizes import ANNOTATION_BYTES, annotation_bytes
from servestack.review.validate import validate
from tests.support.projects import REPOSITORY
from tests.support.services import NULL, resolved

LATENCY = {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}}


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


def test_without_objectives_alerts_and_dashboards_there_is_no_rule(tmp_path: Path) -> None:
    spec = {"monitoring": {"slo": NULL, "alerts": False}}
    bare = resolved(tmp_path / "a", spec, {"grafana": None})
    assert rule_groups(bare) == []
    assert build_prometheus_rule(bare) is None
    # The dashboard of all models knows them by a rule.
    service = resolved(tmp_path / "b", spec)
    assert [rule["record"] for group in rule_groups(service) for rule in group["rules"]] == [
        "servestack:model_service:info"
    ]
    assert build_dashboard_config_map(service) is not None


HOSTILE = 'say "@service@" 50% %(service)s \\ @latency_seconds@ {{ $value }} é'


def test_what_a_model_says_is_never_read_as_a_mark(tmp_path: Path) -> None:
    runbook = "https://example.com/@service@/x"
    service = resolved(tmp_path, {"description": HOSTILE, "monitoring": {"runbook": runbook}})
    body = build_dashboard_config_map(service)
    assert body is not None
    dashboard = json.loads(body["data"]["prod.models.iris.json"])
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
    """Grafana's sidecar writes the dashboards of all namespaces into one folder."""
    places = [
        ("a", "models"), ("a-b", "models"), ("x" * 63, "models"), ("b-c", "a"), ("c", "a-b"),
        ("a", "others"),
    ]  # fmt: skip
    identifiers, files, rule_files = set(), set(), set()
    for number, (name, namespace) in enumerate(places):
        settings = {"namespace": namespace, "prometheus": {"style": "annotations"}}
        service = resolved(tmp_path / f"{number}", {"name": name}, settings)
        body, rules = build_dashboard_config_map(service), build_rules_config_map(service)
        fleet = build_fleet_dashboard_config_map(service.environment)
        assert body is not None and rules is not None and fleet is not None
        rule_files |= set(rules["data"])
        for config in (body, fleet):
            ((file, text),) = config["data"].items()
            assert re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", file)
            assert not re.search(r"@[a-z_]+@", text + json.dumps(rule_groups(service)))
            files.add(file)
            identifiers.add(json.loads(text)["uid"])
        # A client-side apply keeps a copy in an annotation, within 256 KiB.
        assert annotation_bytes(body) < ANNOTATION_BYTES / 3
    namespaces = len({namespace for _, namespace in places})
    assert len(identifiers) == len(files) == len(places) + namespaces
    assert len(rule_files) == len(places)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{8,40}", identifier) for identifier in identifiers)


def test_an_environment_has_its_dashboard_unless_it_says_otherwise(tmp_path: Path) -> None:
    environment = resolved(
        tmp_path / "a", None, {"grafana": {"folder": "F", "label": "dash"}}
    ).environment
    body = build_fleet_dashboard_config_map(environment)
    assert body is not None and validate(body) == []
    assert body["metadata"]["labels"]["dash"] == "1"
    assert body["metadata"]["annotations"] == {"grafana_folder": "F"}
    for number, grafana in enumerate([{"fleet": False}, None]):
        off = resolved(tmp_path / f"{number}", None, {"grafana": grafana})
        assert build_fleet_dashboard_config_map(off.environment) is None
        assert not [link for link in links_of(off) if link.startswith("/d/")]


def links_of(service: ResolvedService) -> list[str]:
    return [link["url"] for link in json.loads(dashboard_text(service))["links"]]


@pytest.mark.parametrize(
    ("spec", "environment", "missing"),
    [
        ({}, {}, {"Error budget: latency", "Inputs and drift"}),
        ({"monitoring": {"drift": True}}, {"kafka": None}, {"Error budget: latency", "Log health"}),
        (
            {"monitoring": {"slo": NULL, "drift": True}}, {},
            {"Error budget: availability", "Error budget: latency"},
        ),
        ({"monitoring": {"slo": LATENCY, "drift": True}}, {}, set()),
    ],
)  # fmt: skip
def test_a_section_without_data_is_left_out(
    tmp_path: Path, spec: dict[str, Any], environment: dict[str, Any], missing: set[str]
) -> None:
    board = json.loads(dashboard_text(resolved(tmp_path, spec, environment)))
    everything = json.loads((REPOSITORY / "monitoring/dashboards/model-service.json").read_text())
    titles = {section["title"] for section in everything["sections"]}
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert titles - set(rows) == missing and len(rows) == len(set(rows))
    assert [panel["id"] for panel in board["panels"]] == [*range(1, len(board["panels"]) + 1)]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def test_numbers_of_the_spec_are_numbers_of_the_dashboard(tmp_path: Path) -> None:
    """Grafana compares thresholds with values: texts would be none."""
    service = resolved(
        tmp_path, {"monitoring": {"slo": LATENCY}, "api": {"limits": {"maxQueue": 77}}}
    )
    board = json.loads(dashboard_text(service))
    by_title = {panel["title"]: panel for panel in board["panels"]}
    for panel in board["panels"]:
        steps = (
            panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", [])
        )
        assert all(
            step["value"] is None or isinstance(step["value"], int | float) for step in steps
        )

    def steps_of(title: str) -> list[Any]:
        steps = by_title[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return [step["value"] for step in steps]

    assert steps_of("Error ratio") == [None, 0.01, 0.144]
    assert steps_of("p95 latency") == [None, 0.05]
    assert "vector(77)" in json.dumps(by_title["Queue"])


def test_alerts_link_to_the_dashboard_of_their_model(tmp_path: Path) -> None:
    url = "https://grafana.example.com/"

    def links(folder: str, spec: dict[str, Any], grafana: dict[str, Any]) -> set[str | None]:
        service = resolved(tmp_path / folder, spec, {"grafana": grafana})
        return {rule["annotations"].get("dashboard_url") for rule in alerts(service)}

    service = resolved(tmp_path / "iris")
    own, fleet = dashboard_uid(service), fleet_dashboard_uid(service.environment)
    without = {"monitoring": {"dashboard": False}}
    assert links("own", {}, {"url": url}) == {f"https://grafana.example.com/d/{own}"}
    assert links("fleet", without, {"url": url}) == {f"https://grafana.example.com/d/{fleet}"}
    assert links("none", without, {"url": url, "fleet": False}) == {None}
    assert links("nowhere", {}, {}) == {None}
    assert json.loads(dashboard_text(service))["uid"] == own
