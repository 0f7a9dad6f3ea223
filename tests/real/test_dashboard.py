"""promtool parses every query of the dashboards that are rendered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.dashboards import dashboard_text, fleet_text
from servestack.yaml_writer import dump
from tests.real.test_promtool import promtool
from tests.support.services import NULL, resolved


@pytest.mark.parametrize(
    "slo",
    [NULL, {}, {"availability": 99, "latency": {"percentile": 95, "milliseconds": 1234.5678}}],
    ids=["no objective", "availability", "latency too"],
)
def test_queries_are_valid(tmp_path: Path, slo: Any) -> None:
    service = resolved(tmp_path / "project", {"monitoring": {"slo": slo}})
    boards = [json.loads(dashboard_text(service)), json.loads(fleet_text(service.environment))]
    queries = [
        target["expr"]
        for board in boards
        for panel in (
            *board["panels"],
            *({"targets": [a["target"]]} for a in board["annotations"]["list"]),
        )
        for target in panel.get("targets", [])
    ]
    assert len(queries) > 50
    rules = [
        # What Grafana fills in.
        {
            "record": f"query:{number}",
            "expr": re.sub(r"\$__(rate_interval|interval|range)", "1m", query),
        }
        for number, query in enumerate(queries)
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("promtool-3", "check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
