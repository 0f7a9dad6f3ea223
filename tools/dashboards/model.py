"""The dashboard of one model.

servestack.manifests.dashboards leaves out the sections that a model lacks the data for, and fills in
the texts between @…@.
"""

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
    heat,
    listing,
    number,
    rows,
)

MODEL = 'environment="@environment@", model_service="@service@"'
POD = f'{MODEL}, pod=~"$pod"'
WITH_SHADOW = 'environment="@environment@", model_service@compared@, pod=~"$pod"'
"""The pods of the model, and of its shadow where it has one."""
REQUEST = f'{POD}, version=~"$version"'
RATE = "[$__rate_interval]"
FAILED = 'http_response_code=~"5.."'
SECONDS = "servestack_request_duration_seconds"

BURN_RATES = (("14.4", RED), ("6", ORANGE), ("1", BLUE))
"""Burn rates that page (twice), and the one that spends the budget in just 30 days."""


def build() -> dict[str, Any]:
    """The template: the dashboard without panels, and its sections."""
    board = (
        dashboard.Dashboard("@service@ (@environment@)")
        .uid("@uid@")
        .description("@description@")
        .tags(["servestack", "@environment@"])
        .with_variable(label_variable("pod", "Pod", f"servestack_model_info{{{MODEL}}}"))
        .with_variable(
            label_variable("version", "Version", f"servestack_requests_total{{{MODEL}}}")
        )
    )
    links = [
        dashboard.DashboardLink("All models of @environment@")
        .type(DashboardLinkType.LINK)
        .icon("apps")
        .url("/d/@fleet_uid@")
        .tooltip("The environment's dashboard")
        .keep_time(True),
        dashboard.DashboardLink("Runbooks")
        .type(DashboardLinkType.LINK)
        .icon("doc")
        .url("@runbooks@")
        .tooltip("What to do about an alert")
        .target_blank(True),
    ]
    versions = (
        f"count by (model, version) (servestack_model_info{{{MODEL}}}) unless count by (model, version) "
        f"(last_over_time(servestack_model_info{{{MODEL}}}[5m] offset $__interval))"
    )
    marks = [
        annotation("New versions", BLUE, versions, "version {{version}}", "{{model}} is served"),
        annotation(
            "Firing alerts", RED, f"max by (alertname, severity) (ALERTS{{{FIRING}, {MODEL}}})",
            "{{alertname}}", "{{severity}}",
        ),
    ]  # fmt: skip
    sections = [
        Section("At a glance", glance()),
        Section("Requests", requests()),
        Section("Latency", latency()),
        Section("Batching and queue", batching()),
        Section("Saturation", saturation()),
        Section("Error budget: availability", budget("availability"), "availability"),
        Section("Error budget: latency", budget("latency"), "latency"),
        Section("Versions side by side", versions_side_by_side()),
        Section("Log health", log_health(), "events"),
        Section("Inputs and drift", drift(), "drift"),
    ]
    return whole(board, links, marks, sections)


def glance() -> list[Placed]:
    """What to look at first, about the whole model: no variable narrows it down."""
    requests = f"servestack_requests_total{{{MODEL}}}"
    return [
        number(
            "Requests", "Requests that were answered per second, by all pods. Worry when it falls to "
            "zero or leaves its usual range: callers have a problem, or are one.",
            "reqps", Query(f"sum(rate({requests}{RATE}))"), width=3, empty="no requests",
        ),
        number(
            "Error ratio", "Share of the requests that were answered with a server error (5xx). Orange: "
            "more than the objective allows. Red: so many that the alert pages.",
            "percentunit", Query(ratio_of_errors(MODEL)), width=3, decimals=2, empty="no requests",
            thresholds=[(GREEN, 0), (ORANGE, "@@availability_budget@@"), (RED, "@@availability_page@@")],
        ),
        number(
            "p95 latency", "95% of the requests were answered within this time. Orange: longer than the "
            "objective's threshold.",
            "s", Query(quantile(0.95, MODEL)), width=3, empty="no requests",
            thresholds=[(GREEN, 0), (ORANGE, "@@latency_limit@@")],
        ),
        number(
            "Availability budget left", "Share of the error budget of the last 30 days that is not "
            "spent. Below zero the objective was missed. Look at the burn rates to see where it goes.",
            "percentunit", Query(budget_left("availability")), width=4, decimals=1,
            empty="no objective", thresholds=[(RED, 0), (ORANGE, 0), (GREEN, 0.25)],
        ),
        number(
            "Latency budget left", "As for availability, of the requests that may be slower than the "
            "objective's threshold.",
            "percentunit", Query(budget_left("latency")), width=4, decimals=1,
            empty="no objective", thresholds=[(RED, 0), (ORANGE, 0), (GREEN, 0.25)],
        ),
        number(
            "Firing alerts", "Alerts of this model that fire now. The red marks in the graphs show since "
            "when; the alert's runbook_url says what to do.",
            "none", Query(f"count(ALERTS{{{FIRING}, {MODEL}}}) or vector(0)"), width=3,
            thresholds=[(GREEN, 0), (RED, 1)],
        ),
        number(
            "Pods by version", "Pods that have loaded the model and report it, by its version. Two "
            "versions at a time: a rollout is under way, or a canary runs. None: nobody gets an answer.",
            "none", Query(f"count by (version) (servestack_model_info{{{MODEL}}})", "{{version}}"), width=4,
            named=True, empty="no pods",
        ),
    ]  # fmt: skip


def requests() -> list[Placed]:
    counted = f"servestack_requests_total{{{REQUEST}}}"
    return [
        graph(
            "Requests by endpoint and response code", "Answered requests per second. Orange codes are "
            "errors of callers, red ones of the service. `unknown` stands for paths that do not exist.",
            "reqps",
            Query(
                f"sum by (endpoint, http_response_code) (rate({counted}{RATE}))",
                "{{endpoint}} {{http_response_code}}",
            ),
            by_code="errors",
        ),
        graph(
            "Response codes", "All endpoints together, stacked: the height is the traffic, the colours "
            "are its parts. Worry about red; orange that grows after a caller's release is theirs.",
            "reqps",
            Query(
                f"sum by (http_response_code) (rate({counted}{RATE}))", "{{http_response_code}}"
            ),
            stacked=True, by_code="all",
        ),
        graph(
            "Error ratio by endpoint", "Share of an endpoint's requests that were answered with 5xx. The "
            "dashed line is what the objective allows over 30 days.",
            "percentunit",
            Query(ratio_of_errors(REQUEST, "endpoint"), "{{endpoint}}"),
            lines=[(RED, "@@availability_budget@@")],
        ),
        rows(
            "Endpoints", "Each endpoint in the last five minutes: traffic, both kinds of errors, and how "
            "long its answers took.",
            ("endpoint", "Endpoint"),
            [
                Column("Requests", f"sum by (endpoint) (rate({counted}[5m]))", "reqps", decimals=2),
                Column(
                    "4xx", errors_of(counted, "4..", "endpoint"), "reqps", [(GREEN, 0), (ORANGE, 0.001)], 2
                ),
                Column("5xx", errors_of(counted, "5..", "endpoint"), "reqps", [(GREEN, 0), (RED, 0.001)], 2),
                Column("p50", quantile(0.5, REQUEST, "endpoint", "[5m]"), "s"),
                Column("p95", quantile(0.95, REQUEST, "endpoint", "[5m]"), "s"),
            ],
            width=12, order="Requests", empty="no requests",
        ),
    ]  # fmt: skip


def latency() -> list[Placed]:
    return [
        graph(
            "Latency", "From the first byte of a request to the last byte of its answer. p95: 95% of the "
            "requests were faster. Worry when the objective's percentile crosses its dashed line.",
            "s",
            *(
                Query(quantile(share, REQUEST), f"p{round(share * 100)}")
                for share in (0.5, 0.95, 0.99)
            ),
            # Without an objective the threshold is 0, and no line is drawn.
            Query("vector(@latency_seconds@) > 0", "objective"),
            dashed=["objective"],
        ),
        heat(
            "Distribution of latency", "How many requests took how long. Two bands are two kinds of "
            "requests (or of pods); a band that climbs is a queue that fills.",
            "s", f"sum by (le) (increase({SECONDS}_bucket{{{REQUEST}}}{RATE}))",
        ),
        graph(
            "p95 by endpoint", "Batches of thousands of rows may take seconds while single predictions "
            "stay fast: compare an endpoint with its own past.",
            "s", Query(quantile(0.95, REQUEST, "endpoint"), "{{endpoint}}"),
        ),
        graph(
            "Duration of a model call", "One call of the model's code with all rows of its batch, without "
            "waiting and without HTTP. If it explains the latency, look at the model or at its CPU; if "
            "not, at the queue.",
            "s",
            *(
                Query(
                    f"histogram_quantile({share}, sum by (le, model) "
                    f"(rate(servestack_prediction_duration_seconds_bucket{{{POD}}}{RATE}))) >= 0",
                    f"p{round(share * 100)} {{{{model}}}}",
                )
                for share in (0.5, 0.95)
            ),
        ),
    ]  # fmt: skip


def batching() -> list[Placed]:
    size = "servestack_batch_size"
    return [
        graph(
            "Rows per model call", "Mean size of a batch. 1 means that micro-batching gathers nothing: "
            "traffic is low, or api.batching is off.",
            "short",
            Query(
                f"sum by (model) (rate({size}_sum{{{POD}}}{RATE})) "
                f"/ (sum by (model) (rate({size}_count{{{POD}}}{RATE})) > 0)",
                "{{model}}",
            ),
            width=8,
        ),
        heat(
            "Batch sizes", "How many model calls had how many rows. A band at api.batching.maxBatchSize "
            "means that batches are full: larger ones may give more throughput.",
            "short", f"sum by (le) (increase({size}_bucket{{{POD}}}{RATE}))", width=8,
        ),
        graph(
            "Queue", "Requests that wait for a batch in the fullest pod. At the dashed line "
            "(api.limits.maxQueue) a pod answers 503; the alert pages at four fifths of it.",
            "short",
            Query(f"max(servestack_queue_depth{{{POD}}})", "fullest pod"),
            Query(f"avg(servestack_queue_depth{{{POD}}})", "mean of all pods"),
            Query("vector(@max_queue@)", "limit"),
            dashed=["limit"], width=8, logarithmic=False,
        ),
    ]  # fmt: skip


def saturation() -> list[Placed]:
    busy = "servestack_prediction_duration_seconds_sum"
    return [
        graph(
            "Requests in flight by pod", "Requests that a pod has begun and not yet answered. The "
            "autoscaler can follow it (autoscaling.inFlightPerPod). Worry when it climbs while the "
            "traffic does not.",
            "short", Query(f"sum by (pod) (servestack_requests_in_flight{{{POD}}})", "{{pod}}"), width=8,
        ),
        graph(
            "Time in the model", "Share of the time that a pod spends in calls of the model. A model in "
            "one thread cannot pass 100%: near it more pods help, or faster calls.",
            "percentunit", Query(f"sum by (pod) (rate({busy}{{{POD}}}{RATE}))", "{{pod}}"), width=8,
        ),
        graph(
            "Requests by pod", "How the traffic is spread. A pod far above the others has long-lived "
            "connections, one at zero is not reached.",
            "reqps",
            Query(f"sum by (pod) (rate(servestack_requests_total{{{REQUEST}}}{RATE}))", "{{pod}}"),
            width=8,
        ),
    ]  # fmt: skip


def budget(kind: str) -> list[Placed]:
    what = {
        "availability": "answered without a server error",
        "latency": "answered within the objective's threshold",
    }[kind]
    return [
        graph(
            f"Burn rate: {kind}", f"How many times faster than allowed the budget of requests not {what} "
            "is spent, over several windows. At 1 it lasts 30 days. The alerts page above 14.4 (1h) and "
            "6 (6h), and open a ticket above 3 (1d) and 1 (3d).",
            "suffix:x",
            *(
                Query(
                    f"servestack:{kind}_errors:ratio_rate{window}{{{MODEL}}} / @{kind}_budget@", window
                )
                for window in ("5m", "1h", "6h", "1d", "3d")
            ),
            lines=[(colour, float(rate)) for rate, colour in reversed(BURN_RATES)],
        ),
        graph(
            f"Budget left: {kind}", "Share of the error budget that is left over the 30 days before each "
            "moment. A step down is an incident; below zero the objective is missed.",
            "percentunit", Query(budget_left(kind), "left"), width=6, maximum=1,
        ),
        listing(
            "Firing alerts", "Alerts of this model that fire now, with the window over which they look.",
            f"max by (alertname, severity, window) (ALERTS{{{FIRING}, {MODEL}}})",
            [("alertname", "Alert"), ("severity", "Severity"), ("window", "Window")],
            width=6, empty="no alert fires",
        )
        if kind == "availability"
        else number(
            "Slower than the threshold", "Share of the requests of the last hour that took longer than "
            "the objective's threshold. Orange: more than the objective allows.",
            "percentunit", Query(f"servestack:latency_errors:ratio_rate1h{{{MODEL}}}"), width=6, decimals=2,
            thresholds=[(GREEN, 0), (ORANGE, "@@latency_budget@@")], empty="no requests",
        ),
    ]  # fmt: skip


def versions_side_by_side() -> list[Placed]:
    counted = f"servestack_requests_total{{{WITH_SHADOW}}}"
    both = "version, variant"
    legend = "{{version}} {{variant}}"

    def served(expression: str) -> str:
        """The series by one label: a table joins its queries by one."""
        return f'sum by (served) (label_join({expression}, "served", " ", "version", "variant"))'

    return [
        graph(
            "Requests by version and variant", "Traffic of each version, on each side of a rollout: "
            "stable, canary or shadow. The shares should be what the rollout asks for.",
            "reqps", Query(f"sum by ({both}) (rate({counted}{RATE}))", legend), stacked=True, width=8,
        ),
        graph(
            "Error ratio by version and variant", "A new version that fails more often than the old one "
            "is rolled back first, and understood afterwards.",
            "percentunit", Query(ratio_of_errors(WITH_SHADOW, both), legend), width=8,
        ),
        graph(
            "p95 by version and variant", "The same requests, answered by two versions: the difference "
            "is the model's.",
            "s", Query(quantile(0.95, WITH_SHADOW, both), legend), width=8,
        ),
        rows(
            "Versions and variants", "The last five minutes side by side.",
            ("served", "Version and variant"),
            [
                Column("Requests", served(f"sum by ({both}) (rate({counted}[5m]))"), "reqps", decimals=2),
                Column(
                    "Share",
                    served(
                        f"sum by ({both}) (rate({counted}[5m])) / ignoring ({both}) group_left () "
                        f"(sum(rate({counted}[5m])) > 0)"
                    ),
                    "percentunit", decimals=1,
                ),
                Column("Error ratio", served(ratio_of_errors(WITH_SHADOW, both, "[5m]")), "percentunit", decimals=2),
                Column("p50", served(quantile(0.5, WITH_SHADOW, both, "[5m]")), "s"),
                Column("p95", served(quantile(0.95, WITH_SHADOW, both, "[5m]")), "s"),
            ],
            width=12, height=6, order="Requests", empty="no requests",
        ),
        graph(
            "Pods by version", "The course of rollouts. A version that stays at a few pods is a canary, "
            "or a rollout that is stuck.",
            "short", Query(f"count by (version) (servestack_model_info{{{MODEL}}})", "{{version}}"),
            width=6, height=6, stacked=True, steps=True,
        ),
        bars(
            "Time to load the model", "How long the slowest pod took to load and warm up the model: so "
            "long a rollout waits for each pod, and the autoscaler for each new one.",
            "s", Query(f"sort_desc(max by (model) (servestack_model_load_seconds{{{POD}}}))", "{{model}}"),
            width=6, height=6,
        ),
    ]  # fmt: skip


def log_health() -> list[Placed]:
    dropped = f"servestack_events_dropped_total{{{POD}}}"
    return [
        graph(
            "Events written", "Events that were written to disk per second, by kind. Filebeat ships them.",
            "eps", Query(f"sum by (kind) (rate(servestack_events_written_total{{{POD}}}{RATE}))", "{{kind}}"),
            width=6,
        ),
        graph(
            "Events dropped", "Events that are lost for good, by kind and reason. Anything above zero is a "
            "gap in the log; answers are not affected. Reasons: docs/operations/alerts.md.",
            "eps", Query(f"sum by (kind, reason) (rate({dropped}{RATE})) > 0", "{{kind}}: {{reason}}"), width=6,
            empty="nothing is dropped",
        ),
        number(
            "Events lost in this range", "How many events were lost in the time that the dashboard shows.",
            "short", Query(f"round(sum(increase({dropped}[$__range])))"), width=4,
            thresholds=[(GREEN, 0), (RED, 1)],
        ),
        graph(
            "Not yet in Kafka", "Bytes on disk that Kafka has not received, by pod. It climbs while Kafka "
            "or Filebeat is down; at the dashed line (logging.diskBudget) events are dropped.",
            "bytes",
            Query(f"sum by (pod) (servestack_events_unshipped_bytes{{{POD}}})", "{{pod}}"),
            Query("vector(@disk_budget_bytes@)", "budget"),
            dashed=["budget"], width=8,
        ),
    ]  # fmt: skip


def drift() -> list[Placed]:
    """What monitoring.drift counts, and what the recording rules make of it."""
    values = f"servestack_input_values_total{{{POD}}}"
    outside = f"servestack_input_out_of_range_total{{{POD}}}"
    return [
        graph(
            "Values out of range", "Share of a column's values that are outside of its range or list; "
            "their requests are refused with 422. Above 5% in an hour an alert opens a ticket.",
            "percentunit",
            Query(
                f"(sum by (column) (rate({outside}{RATE})) or 0 * sum by (column) (rate({values}{RATE}))) "
                f"/ (sum by (column) (rate({values}{RATE})) > 0)",
                "{{column}}",
            ),
            lines=[(ORANGE, 0.05)],
        ),
        graph(
            "Values by column", "Values that the model has seen per second. A column that is lower than "
            "the others is often missing.",
            "cps", Query(f"sum by (column) (rate({values}{RATE}))", "{{column}}"),
        ),
        *(
            graph(
                f"Population stability index, last {span}", "How far the shares of a column's buckets are "
                "from those of training. Above the dashed line of the strictest column an alert may open "
                "a ticket: fewer rows have a higher limit.",
                "short",
                Query(f"max by (side, column) (servestack:drift_psi:{window}{{{MODEL}}})", "{{side}} {{column}}"),
                Query(f"min(servestack:drift_psi_limit:{window}{{{MODEL}}})", "lowest limit"),
                dashed=["lowest limit"], width=8,
            )
            for span, window in (("hour", "1h"), ("day", "1d"))
        ),
        graph(
            "Jensen-Shannon distance, last hour", "The same buckets by another measure: 0 where the shares "
            "are equal, 0.83 where nothing is shared.",
            "short",
            Query(f"max by (side, column) (servestack:drift_js_distance:1h{{{MODEL}}})", "{{side}} {{column}}"),
            width=8,
        ),
        graph(
            "Rows counted for drift", "Rows per second whose values were put into buckets. Sampled rows "
            "are those left out beyond monitoring.drift.rowsPerSecond, which is no trouble; other skipped "
            "rows are.",
            "short",
            Query(f"sum by (model) (rate(servestack_drift_rows_total{{{POD}}}{RATE}))", "{{model}}"),
            Query(
                f"sum by (model, reason) (rate(servestack_drift_rows_skipped_total{{{POD}}}{RATE}))",
                "skipped {{model}}: {{reason}}",
            ),
        ),
    ]  # fmt: skip


def ratio_of_errors(selector: str, by: str = "", window: str = RATE) -> str:
    """Share of the requests with a server error: zero without one, nothing without requests."""
    grouped = f"sum by ({by})" if by else "sum"
    every = f"{grouped} (rate(servestack_requests_total{{{selector}}}{window}))"
    failed = f"{grouped} (rate(servestack_requests_total{{{selector}, {FAILED}}}{window}))"
    return f"({failed} or 0 * {every}) / ({every} > 0)"


def errors_of(counted: str, codes: str, by: str) -> str:
    """Requests per second with these codes; zero without one."""
    some = counted.replace("}", f', http_response_code=~"{codes}"}}')
    return f"sum by ({by}) (rate({some}[5m])) or 0 * sum by ({by}) (rate({counted}[5m]))"


def quantile(share: float, selector: str, by: str = "", window: str = RATE) -> str:
    """Time within which a share of the requests were answered, in seconds; nothing without requests."""
    labels = f"le, {by}" if by else "le"
    rates = f"sum by ({labels}) (rate({SECONDS}_bucket{{{selector}}}{window}))"
    return f"histogram_quantile({share}, {rates}) >= 0"


def budget_left(kind: str) -> str:
    """Share of the error budget of 30 days that is not spent: each request counts once."""
    return (
        f"1 - sum_over_time(servestack:{kind}_errors:rate5m{{{MODEL}}}[30d]) "
        f"/ sum_over_time(servestack:{kind}_requests:rate5m{{{MODEL}}}[30d]) / @{kind}_budget@"
    )
