"""promtool parses every query of the dashboard that is rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.dashboards import dashboard_text
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
    panels = json.loads(dashboard_text(service))["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(queries) > 15
    rules = [
        # What Grafana fills in.
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries)
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("promtool-3", "check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
