"""Each rule passes what it should pass and finds what it should find, at a line of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from servestack.manifests.assemble import build_manifests, build_service_manifests
from servestack.resolve.service import resolve_service
from servestack.review import check_reports
from servestack.review.findings import Finding, find
from servestack.review.policy.registry import RULES
from tests.support.services import load_settings, load_spec, lock_of
from tests.unit.review.policy_cases import CASES, Case


def findings_of(folder: Path, case: Case) -> tuple[Finding, ...]:
    spec = load_spec(folder, **case.spec)
    settings = load_settings(folder, **case.environment)
    service = resolve_service(spec, settings, lock_of(spec.value, **case.artifact))
    manifests = build_service_manifests(service)
    case.edit({manifest.kind: manifest for manifest in manifests})
    return find([service], manifests, settings.document)


def test_every_rule_has_its_cases_and_every_id_is_its_own() -> None:
    ids = [rule.id for rule in RULES]
    assert sorted(ids) == sorted(CASES)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("id", sorted(CASES))
def test_rule(id: str, tmp_path: Path) -> None:
    passing, failing = CASES[id]
    assert id not in {finding.id for finding in findings_of(tmp_path / "passing", passing)}
    found = [f for f in findings_of(tmp_path / "failing", failing) if f.id == id]
    assert found
    assert all(finding.location.line > 0 for finding in found)


def test_a_finding_points_at_the_line_of_the_spec(tmp_path: Path) -> None:
    case = Case(spec={"replicas": 1})
    (finding,) = [f for f in findings_of(tmp_path, case) if f.id == "SRV666"]
    line = finding.location.file.read_text().splitlines()[finding.location.line - 1]
    assert line == "replicas: 1"


def test_two_objects_of_one_name_are_refused(tmp_path: Path) -> None:
    """No two builders share a suffix today: one that did would be seen here, not in the cluster."""
    settings = load_settings(tmp_path)
    specs = [load_spec(tmp_path / name, name=name) for name in ("a", "a-filebeat")]
    services = [resolve_service(spec, settings, lock_of(spec.value)) for spec in specs]
    manifests = build_manifests(settings.value, "stacks/prod.yaml", services)
    assert not [f for f in find(services, manifests, settings.document) if f.id == "SRV502"]
    (own,) = [
        m for m in manifests if (m.group, m.path.rpartition("/")[2]) == ("a", "service-a.yaml")
    ]
    taken = replace(own, group="a-filebeat", source="models/other.yaml")
    found = find(services, (*manifests, taken), settings.document)
    (finding,) = [f for f in found if f.id == "SRV502"]
    assert finding.message == f"Service a already belongs to {own.source}"
    line = finding.location.file.read_text().splitlines()[finding.location.line - 1]
    assert line == "name: a-filebeat"


@pytest.mark.parametrize(
    ("annotation", "style"),
    [
        ({"prometheus.io/scrape": "false"}, "annotations"),
        ({"prometheus.io/port": "9999"}, "annotations"),
        ({"kubectl.kubernetes.io/default-container": "filebeat"}, "operator"),
        ({"checksum/config": "0"}, "operator"),
    ],
)
def test_user_annotation_overridden(tmp_path: Path, annotation: dict[str, str], style: str) -> None:
    """The user's word holds on the pods."""
    spec = load_spec(tmp_path, annotations=annotation)
    settings = load_settings(tmp_path, prometheus={"style": style})
    service = resolve_service(spec, settings, lock_of(spec.value))
    (deployment,) = [m for m in build_service_manifests(service) if m.kind == "Deployment"]
    found = deployment.body["spec"]["template"]["metadata"]["annotations"]
    assert found.items() >= annotation.items()


def test_sarif_is_valid_and_says_the_same(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, Case(spec={"replicas": 1}, artifact={"signature": None}))
    log = json.loads(check_reports.to_sarif(findings, "prod"))
    schema = json.loads((Path(__file__).parent / "sarif-subset.json").read_text())
    jsonschema.validate(log, schema)
    results = log["runs"][0]["results"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [result["ruleId"] for result in results] == [finding.id for finding in findings]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)


def test_github_annotations_are_escaped(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, Case(spec={"replicas": 1}))
    lines = check_reports.to_github(findings, "prod").splitlines()
    assert len(lines) == len(findings)
    assert all(
        line.startswith(("::warning file=", "::error file=", "::notice file=")) for line in lines
    )


def test_text_and_json_tell_every_finding(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, Case(spec={"replicas": 1}, artifact={"format": "pickle"}))
    text = check_reports.to_text(findings, "prod")
    data = yaml.safe_load(check_reports.to_json(findings, "prod"))
    assert [entry["id"] for entry in data["findings"]] == [finding.id for finding in findings]
    assert all(finding.id in text for finding in findings)
    assert text.splitlines()[-1] == "prod: 1 error, 1 warning"
