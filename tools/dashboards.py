"""Writes the dashboard template monitoring/dashboards/model-service.json.

    python tools/dashboards.py          write it
    python tools/dashboards.py --check  fail where it is stale

servestack.manifests.dashboards fills in the texts between @…@ for each model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

TARGET = Path(__file__).parent.parent / "monitoring/dashboards/model-service.json"
SELECTOR = 'environment="@environment@", model_service="@service@"'
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RATE = "$__rate_interval"

Query = tuple[str, str]
"""PromQL and legend."""


def main() -> int:
    text = json.dumps(build(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
        if current != text:
            print(f"stale: {TARGET.name}; run python tools/dashboards.py", file=sys.stderr)
        return int(current != text)
    TARGET.write_text(text, encoding="utf-8")
    return 0


def build() -> dict[str, Any]:
    board = (
        dashboard.Dashboard("@service@ (@environment@)")
        .uid("@uid@")
        .description("@description@")
        .tags(["servestack"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
    )
    for panel in (*panels(), *drift_panels()):
        board = board.with_panel(panel)
    plain = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    for number, panel in enumerate(plain["panels"], start=1):
        panel["id"] = number
    dumped: dict[str, Any] = without_nulls(plain)
    return dumped


def panels() -> list[Any]:
    requests = f"servestack_requests_total{{{SELECTOR}}}"
    seconds = "servestack_request_duration_seconds"
    return [
        number(
            "Monthly error budget spent at this rate",
            "percentunit",
            f"servestack:availability_errors:ratio_rate1h{{{SELECTOR}}} / @availability_budget@",
        ),
        number(
            "Pods serving", "short", f"count(count by (pod) (servestack_model_info{{{SELECTOR}}}))"
        ),
        number(
            "Versions served",
            "none",
            f"count by (version) (servestack_model_info{{{SELECTOR}}})",
            legend="version {{version}}",
        ),
        graph(
            "Requests by status code",
            "reqps",
            (
                f"sum by (endpoint, http_response_code) (rate({requests}[{RATE}]))",
                "{{endpoint}} {{http_response_code}}",
            ),
        ),
        graph(
            "Share of server errors",
            "percentunit",
            (
                f"sum by (endpoint) (rate(servestack_requests_total{{{SELECTOR}, "
                f'http_response_code=~"5.."}}[{RATE}])) / sum by (endpoint) (rate({requests}[{RATE}]))',
                "{{endpoint}}",
            ),
            ("@availability_budget@", "objective"),
        ),
        graph(
            "Latency",
            "s",
            *(
                (
                    f"histogram_quantile(0.{percentile}, sum by (le) "
                    f"(rate({seconds}_bucket{{{SELECTOR}}}[{RATE}])))",
                    f"p{percentile}",
                )
                for percentile in (50, 95, 99)
            ),
            # Without an objective the threshold is 0, and no line is drawn.
            ("vector(@latency_seconds@) > 0", "objective"),
        ),
        graph(
            "Requests in the pods",
            "short",
            (f"sum by (pod) (servestack_requests_in_flight{{{SELECTOR}}})", "in flight {{pod}}"),
            (f"sum by (pod) (servestack_queue_depth{{{SELECTOR}}})", "waiting {{pod}}"),
        ),
        graph(
            "Rows per model call",
            "short",
            (
                f"sum by (model) (rate(servestack_batch_size_sum{{{SELECTOR}}}[{RATE}])) "
                f"/ sum by (model) (rate(servestack_batch_size_count{{{SELECTOR}}}[{RATE}]))",
                "{{model}}",
            ),
        ),
        graph(
            "Duration of a model call",
            "s",
            (
                "histogram_quantile(0.95, sum by (le, model) "
                f"(rate(servestack_prediction_duration_seconds_bucket{{{SELECTOR}}}[{RATE}])))",
                "p95 {{model}}",
            ),
        ),
        graph(
            "Events",
            "eps",
            (
                f"sum by (kind) (rate(servestack_events_written_total{{{SELECTOR}}}[{RATE}]))",
                "{{kind}}",
            ),
            (
                "sum by (kind, reason) "
                f"(rate(servestack_events_dropped_total{{{SELECTOR}}}[{RATE}]))",
                "dropped {{kind}}: {{reason}}",
            ),
        ),
        graph(
            "Events not yet in Kafka",
            "bytes",
            (f"sum by (pod) (servestack_events_unshipped_bytes{{{SELECTOR}}})", "{{pod}}"),
        ),
    ]


def drift_panels() -> list[Any]:
    """A row of what monitoring.drift computes; without it the panels are empty."""
    return [
        graph(
            f"Drift over the last {span}: population stability index",
            "short",
            (
                f"max by (side, column) (servestack:drift_psi:{window}{{{SELECTOR}}})",
                "{{side}} {{column}}",
            ),
            (f"max(servestack:drift_psi_limit:{window}{{{SELECTOR}}})", "highest limit"),
        )
        for span, window in (("hour", "1h"), ("day", "1d"))
    ] + [
        graph(
            "Drift over the last hour: Jensen-Shannon distance",
            "short",
            (
                f"max by (side, column) (servestack:drift_js_distance:1h{{{SELECTOR}}})",
                "{{side}} {{column}}",
            ),
        ),
        graph(
            "Rows counted for drift",
            "short",
            (
                f"sum by (model) (rate(servestack_drift_rows_total{{{SELECTOR}}}[{RATE}]))",
                "{{model}}",
            ),
            (
                "sum by (model, reason) "
                f"(rate(servestack_drift_rows_skipped_total{{{SELECTOR}}}[{RATE}]))",
                "skipped {{model}}: {{reason}}",
            ),
        ),
    ]


def number(title: str, unit: str, expression: str, *, legend: str = "") -> Any:
    """A panel that shows the newest value."""
    return (
        stat.Panel()
        .title(title)
        .unit(unit)
        .datasource(DATASOURCE)
        .height(4)
        .span(8)
        .with_target(query(0, (expression, legend)).instant())
    )


def graph(title: str, unit: str, *queries: Query) -> Any:
    """A panel that shows values over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .unit(unit)
        .datasource(DATASOURCE)
        .height(8)
        .span(12)
        .min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for index, item in enumerate(queries):
        panel = panel.with_target(query(index, item))
    return panel


def query(index: int, item: Query) -> Any:
    expression, legend = item
    built = prometheus.Dataquery().expr(expression).ref_id("ABCDEFGH"[index]).datasource(DATASOURCE)
    return built.legend_format(legend) if legend else built


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


if __name__ == "__main__":
    raise SystemExit(main())
