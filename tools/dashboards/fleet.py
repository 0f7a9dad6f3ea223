"""The dashboard of an environment: all its models, beside each other."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from tools.dashboards.board import FIRING, annotation, label_variable, whole
from tools.dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Column,
    Placed,
    Query,
    Section,
    bars,
    graph,
    listing,
    number,
    rows,
)

ENVIRONMENT = 'environment="@environment@"'
CHOSEN = f'{ENVIRONMENT}, model_service=~"$model_service"'
# Models are scraped at intervals of their own, of two minutes at most.
RATE = "[5m]"
REQUESTS = f"servestack_requests_total{{{CHOSEN}}}"
BY = "sum by (model_service)"
TOP = 8
LEGEND = "{{model_service}}"


def build() -> dict[str, Any]:
    """The template: the dashboard without panels, and its sections."""
    board = (
        dashboard.Dashboard("Models of @environment@")
        .uid("@uid@")
        .description("All models of the environment @environment@ in the namespace @namespace@.")
        .tags(["servestack", "@environment@", "fleet"])
        .with_variable(
            label_variable("model_service", "Model", f"servestack_model_info{{{ENVIRONMENT}}}")
        )
    )
    links = [
        dashboard.DashboardLink("Models")
        .type(DashboardLinkType.DASHBOARDS)
        .icon("external link")
        .tags(["servestack", "@environment@"])
        .as_dropdown(True)
        .keep_time(True),
        dashboard.DashboardLink("Runbooks")
        .type(DashboardLinkType.LINK)
        .icon("doc")
        .url("@runbooks@")
        .tooltip("What to do about an alert")
        .target_blank(True),
    ]
    versions = (
        f"count by (model_service, model, version) (servestack_model_info{{{CHOSEN}}}) unless "
        "count by (model_service, model, version) "
        f"(last_over_time(servestack_model_info{{{CHOSEN}}}[5m] offset $__interval))"
    )
    marks = [
        annotation("New versions", BLUE, versions, "{{model_service}} {{version}}", "{{model}} is served"),
        annotation(
            "Firing pages", RED,
            f'max by (alertname, model_service) (ALERTS{{{FIRING}, severity="page", {CHOSEN}}})',
            "{{model_service}}: {{alertname}}", "page",
        ),
    ]  # fmt: skip
    sections = [
        Section("At a glance", glance()),
        Section("Models", [table()]),
        Section("The first of each kind", tops()),
        Section("Over time", over_time()),
        Section("Firing alerts", [alerts()]),
    ]
    return whole(board, links, marks, sections)


def glance() -> list[Placed]:
    return [
        number(
            "Models serving", "Models of which at least one pod reports that it has loaded its model.",
            "none", Query(f"count(count by (model_service) (servestack_model_info{{{CHOSEN}}}))"), width=4,
            empty="none",
        ),
        number(
            "Pods", "Pods that have loaded their model.",
            "none",
            Query(f"count(count by (model_service, pod, instance) (servestack_model_info{{{CHOSEN}}}))"),
            width=4, empty="none",
        ),
        number(
            "Requests", "Answered requests of all models per second.",
            "reqps", Query(f"sum(rate({REQUESTS}{RATE}))"), width=4, empty="no requests",
        ),
        number(
            "Error ratio", "Share of all requests that were answered with a server error. One large model "
            "hides many small ones: see the table.",
            "percentunit",
            Query(
                f"({failed('sum')} or vector(0)) / (sum(rate({REQUESTS}{RATE})) > 0)"
            ),
            width=4, decimals=2, empty="no requests", thresholds=[(GREEN, 0), (ORANGE, 0.001), (RED, 0.01)],
        ),
        number(
            "Models that page", "Models with an alert of severity `page` that fires: somebody must act now.",
            "none",
            Query(
                f'count(count by (model_service) (ALERTS{{{FIRING}, severity="page", {CHOSEN}}})) or vector(0)'
            ),
            width=4, thresholds=[(GREEN, 0), (RED, 1)],
        ),
        number(
            "Models without budget", "Models that have spent their error budget of 30 days: their next "
            "change should make them more reliable.",
            "none", Query(f"count({budget_left()} <= 0) or vector(0)"), width=4,
            thresholds=[(GREEN, 0), (ORANGE, 1)],
        ),
    ]  # fmt: skip


def table() -> Placed:
    info = f"max by (model_service, owner, dashboard) (servestack:model_service:info{{{CHOSEN}}})"
    pods = f"count by (model_service, version) (servestack_model_info{{{CHOSEN}}})"
    return rows(
        "Models", "Every model, worst first when sorted by a column. Version is the one with the most "
        "pods. Budget left is that of availability over 30 days. A click on a name opens the model's "
        "own dashboard.",
        ("model_service", "Model"),
        [
            Column("Rendered", info),
            Column("Pods", f"topk by (model_service) (1, {pods})", "none"),
            Column("Requests", f"{BY} (rate({REQUESTS}{RATE}))", "reqps", decimals=2),
            Column(
                "Errors", f"({failed(BY)} or 0 * {BY} (rate({REQUESTS}{RATE}))) / ({BY} (rate({REQUESTS}{RATE})) > 0)",
                "percentunit", [(GREEN, 0), (ORANGE, 0.001), (RED, 0.01)], 2,
            ),
            Column("p95", quantile(), "s"),
            Column("Budget left", budget_left(), "percentunit", [(RED, 0), (ORANGE, 0), (GREEN, 0.25)], 1),
            Column(
                "Alerts", f"count by (model_service) (ALERTS{{{FIRING}, {CHOSEN}}}) or 0 * {info_only()}",
                "none", [(GREEN, 0), (RED, 1)],
            ),
            Column(
                "Events lost", f"{BY} (increase(servestack_events_dropped_total{{{CHOSEN}}}[1h]))",
                "short", [(GREEN, 0), (RED, 1)], 0,
            ),
            Column("Not in Kafka", f"{BY} (servestack_events_unshipped_bytes{{{CHOSEN}}})", "bytes"),
        ],
        height=10, order="Requests", empty="no models",
        labels=[("owner", "Owner"), ("version", "Version")], hidden=["dashboard", "Rendered"],
        link=("Dashboard of the model", "/d/${__data.fields.dashboard}?${__url_time_range}&var-datasource=${datasource}"),
    )  # fmt: skip


def tops() -> list[Placed]:
    def most(expression: str) -> Query:
        return Query(f"sort_desc(topk({TOP}, {expression}))", LEGEND)

    return [
        bars(
            "Fastest burning budget", "How many times faster than allowed a model spends its error budget "
            "of availability, over the last hour. Above 14.4 it pages.",
            "suffix:x",
            most(
                f"servestack:availability_errors:ratio_rate1h{{{CHOSEN}}} "
                f"/ servestack:availability_budget:ratio{{{CHOSEN}}}"
            ),
            thresholds=[(GREEN, 0), (ORANGE, 1), (RED, 14.4)], empty="no objective",
        ),
        bars(
            "Slowest", "95% of the model's requests were answered within this time.", "s", most(quantile()),
            empty="no requests",
        ),
        bars(
            "Fullest queues", "Requests that wait in the fullest pod of a model.", "short",
            most(f"max by (model_service) (servestack_queue_depth{{{CHOSEN}}})"), empty="no pods",
        ),
    ]  # fmt: skip


def over_time() -> list[Placed]:
    return [
        graph(
            "Requests by model", "Answered requests per second of the models with the most.", "reqps",
            Query(f"topk({TOP}, {BY} (rate({REQUESTS}{RATE})))", LEGEND), stacked=True,
        ),
        graph(
            "Server errors by model", "Requests per second that were answered with 5xx. Several models at "
            "the same moment: look for what they share, such as nodes, MLflow or Kafka.", "reqps",
            Query(f"topk({TOP}, {failed(BY)} or 0 * {BY} (rate({REQUESTS}{RATE})))", LEGEND),
        ),
        graph(
            "p95 by model", "Of the models with the slowest answers.", "s", Query(f"topk({TOP}, {quantile()})", LEGEND),
        ),
        graph(
            "Events not yet in Kafka", "If all models climb together, Kafka is down.", "bytes",
            Query(f"topk({TOP}, {BY} (servestack_events_unshipped_bytes{{{CHOSEN}}}))", LEGEND),
        ),
    ]  # fmt: skip


def alerts() -> Placed:
    return listing(
        "Firing alerts", "All alerts of these models that fire now. `page`: act now. `ticket`: this week.",
        f"max by (alertname, severity, model_service, owner, window) (ALERTS{{{FIRING}, {CHOSEN}}})",
        [
            ("severity", "Severity"), ("model_service", "Model"), ("alertname", "Alert"),
            ("window", "Window"), ("owner", "Owner"),
        ],
        width=24, height=8, empty="no alert fires",
    )  # fmt: skip


def failed(grouped: str) -> str:
    selected = f'{{{CHOSEN}, http_response_code=~"5.."}}'
    return f"{grouped} (rate(servestack_requests_total{selected}{RATE}))"


def quantile() -> str:
    seconds = f"servestack_request_duration_seconds_bucket{{{CHOSEN}}}"
    return f"histogram_quantile(0.95, sum by (le, model_service) (rate({seconds}{RATE}))) >= 0"


def budget_left() -> str:
    """By model: what it may spend is a rule of its own, since models differ."""
    spent = (
        f"{BY} (sum_over_time(servestack:availability_errors:rate5m{{{CHOSEN}}}[30d])) "
        f"/ ({BY} (sum_over_time(servestack:availability_requests:rate5m{{{CHOSEN}}}[30d])) > 0)"
    )
    allowed = f"max by (model_service) (servestack:availability_budget:ratio{{{CHOSEN}}})"
    return f"1 - {spent} / {allowed}"


def info_only() -> str:
    return f"max by (model_service) (servestack:model_service:info{{{CHOSEN}}})"
