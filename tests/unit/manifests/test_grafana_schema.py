"""The rendered dashboards are what Grafana's own schemas ask for (see grafana/README.md)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from servestack.manifests.dashboards import dashboard_text, fleet_text
from tests.support.services import resolved

SCHEMAS = json.loads((Path(__file__).parent / "grafana/schemas.json").read_text())
LATENCY = {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}}
_DEFAULTED = {"Options", "FieldConfig", "TableFieldOptions", "GraphFieldConfig"}
"""What a panel takes its defaults for. Newer versions have more of them than older ones."""


@cache
def schema(name: str, definition: str) -> Any:
    definitions = _with_any(SCHEMAS[name]["definitions"])
    for settings in _DEFAULTED & {*definitions}:
        definitions[settings].pop("required", None)
    return jsonschema_rs.validator_for(
        {"definitions": definitions, "$ref": f"#/definitions/{definition}"}
    )


def _with_any(value: Any) -> Any:
    """Two things that the schemas lost on their way: "anything" is written as an object with any
    properties, and the kinds of cells that differ only in a constant are one of each other."""
    if value == {"type": "object", "additionalProperties": {}}:
        return {}
    if isinstance(value, dict):
        return {
            "anyOf" if key == "oneOf" else key: _with_any(inner) for key, inner in value.items()
        }
    return [*map(_with_any, value)] if isinstance(value, list) else value


def faults(name: str, definition: str, value: Any) -> list[str]:
    """What the schema refuses, each with its place."""
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in schema(name, definition).iter_errors(value)
    ]


@pytest.fixture(params=["model", "fleet"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    environment = {"prometheus": {"runbooks": "https://docs.example.com/alerts.html"}}
    service = resolved(tmp_path, {"monitoring": {"slo": LATENCY, "drift": True}}, environment)
    text = dashboard_text(service) if request.param == "model" else fleet_text(service.environment)
    return json.loads(text)


def test_a_dashboard_is_one_of_grafana(board: Any) -> None:
    assert faults("dashboard", "Dashboard", board) == []
    assert len(board["panels"]) > 15 and len(board["annotations"]["list"]) == 2


def test_panels_have_the_options_of_their_kind(board: Any) -> None:
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        title = panel["title"]
        assert faults(panel["type"], "Options", panel["options"]) == [], title
        own = panel["fieldConfig"]["defaults"].get("custom")
        if own is not None:
            assert faults(panel["type"], "FieldConfig", own) == [], title
        for override in panel["fieldConfig"].get("overrides", []):
            custom = {
                each["id"].removeprefix("custom."): each["value"]
                for each in override["properties"]
                if each["id"].startswith("custom.")
            }
            if custom:
                assert faults(panel["type"], "FieldConfig", custom) == [], title


def test_queries_are_those_of_the_data_source(board: Any) -> None:
    letters = []
    for panel in board["panels"]:
        targets = panel.get("targets", [])
        for target in targets:
            assert faults("prometheus", "Dataquery", target) == [], panel["title"]
        assert len({target["refId"] for target in targets}) == len(targets)
        letters += [target["refId"] for target in targets]
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"
    assert len(letters) > 20


def test_a_fault_is_found(board: Any) -> None:
    board["panels"][1]["gridPos"]["w"] = "wide"
    assert faults("dashboard", "Dashboard", board)
    assert faults("stat", "Options", {"graphMode": "round"})
