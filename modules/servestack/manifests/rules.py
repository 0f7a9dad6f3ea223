"""Prometheus rules of a model: the templates of monitoring/rules, filled in from the spec."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from servestack.manifests import names
from servestack.manifests.templates import Structure, fill, form, format_of, rendered
from servestack.resolve.resolved import ResolvedService
from servestack.spec.observability import LatencyObjective
from servestack.spec.quantities import byte_count
from servestack_contract.drift import LEAST_EXPECTED, ZERO_SHARE

MINIMUM_REQUESTS = 100
"""Fewest requests in an alert's long window for which a ratio means anything."""

BURN_RATES = (14.4, 6, 3, 1)
"""Burn rates at which the template's alerts fire, as multiples of the month's error budget."""

SLO_TEMPLATE = "monitoring/rules/slo.yaml.j2"
OPERATIONS_TEMPLATE = "monitoring/rules/operations.yaml.j2"
INFO_TEMPLATE = "monitoring/rules/info.yaml.j2"
DRIFT_TEMPLATE = "monitoring/rules/drift.yaml.j2"
_SYNTAX = {
    # Prometheus' own templates are written {{ … }} too, so ours are not.
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "block_start_string": "<%",
    "block_end_string": "%>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective as the template needs it. `budget` is the share of requests that may miss it."""

    kind: str
    target: str
    budget: float
    bucket: str = ""


def slo_structure(fastest: Sequence[tuple[str, float]], alerts: bool) -> Structure:
    """What decides which rules a model has for its objectives.

    `fastest` holds each objective's kind with the highest burn rate that it can reach: an
    objective of 90% allows a tenth of the requests to fail, and cannot burn 14.4 times too fast.
    """
    return {"fastest": [list(each) for each in fastest], "alerts": alerts}


def operations_structure(*, events: bool, drift: bool, parked: bool) -> Structure:
    """What decides which alerts a model has besides."""
    return {"events": events, "drift": drift, "parked": parked}


def drift_structure(*, alerts: bool) -> Structure:
    """What decides which rules of drift a model has."""
    return {"alerts": alerts}


def rule_groups(service: ResolvedService) -> list[dict[str, Any]]:
    """The groups of a model's Prometheus rule file, each {"name": ..., "rules": [...]}."""
    spec = service.spec
    own = objectives(service)
    watched = spec.monitoring.watched
    slo = slo_structure([(each.kind, _fastest_burn(each)) for each in own], spec.monitoring.alerts)
    forms = [form(SLO_TEMPLATE, slo, make_form)]
    if spec.monitoring.alerts:
        operations = operations_structure(
            events=bool(service.topics.shipped()),
            drift=watched is not None,
            parked=spec.autoscaling is None and not spec.replicas,
        )
        forms.append(form(OPERATIONS_TEMPLATE, operations, make_form))
    if watched is not None:
        drift = drift_structure(alerts=spec.monitoring.alerts)
        forms.append(form(DRIFT_TEMPLATE, drift, make_form))
    dashboard = _dashboard(service)
    if dashboard:
        forms.append(form(INFO_TEMPLATE, {}, make_form))
    values = {
        "service": service.name,
        "environment": service.environment.name,
        "namespace": service.namespace,
        "owner": spec.owner or "unowned",
        "runbook": spec.monitoring.runbook or "",
        "dashboard": dashboard,
        "max_queue": str(spec.api.limits.max_queue),
        "disk_budget_bytes": str(byte_count(spec.logging.disk_budget)),
    }
    if watched is not None:
        values["psi"] = plain_number(watched.psi)
        values["minimum_rows"] = str(watched.minimum_rows)
    for objective in own:
        values[f"{objective.kind}_budget"] = str(objective.budget)
        values[f"{objective.kind}_target"] = objective.target
        values[f"{objective.kind}_bucket"] = objective.bucket
    groups: list[dict[str, Any]] = [
        group for each in forms for group in json.loads(fill(each, values))
    ]
    prometheus = service.environment.prometheus
    runbooks = prometheus.runbooks if prometheus else None
    address = _dashboard_address(service, dashboard)
    return [_with_links(group, runbooks, address) for group in groups]


def _fastest_burn(objective: Objective) -> float:
    return max(rate for rate in BURN_RATES if rate * objective.budget < 1)


def objectives(service: ResolvedService) -> tuple[Objective, ...]:
    """The objectives of a spec, availability first."""
    slo = service.spec.monitoring.slo
    if slo is None:
        return ()
    found = [
        Objective(
            kind="availability",
            target=f"{plain_number(slo.availability)}% of the requests are answered without a server error",
            budget=_share_outside(slo.availability),
        )
    ]
    if slo.latency is not None:
        found.append(
            Objective(
                kind="latency",
                target=f"{plain_number(slo.latency.percentile)}% of the requests are answered "
                f"within {plain_number(slo.latency.milliseconds)} ms",
                budget=_share_outside(slo.latency.percentile),
                bucket=bucket_matcher(slo.latency),
            )
        )
    return tuple(found)


def _share_outside(percent: float) -> float:
    return round((100 - percent) / 100, 10)


def threshold_seconds(objective: LatencyObjective) -> float:
    """The objective's threshold, the same number in the server's buckets and in the rules."""
    return float(Decimal(repr(objective.milliseconds)) / 1000)


def plain_number(value: float) -> str:
    """Every digit that the number has, and no `.0`."""
    return repr(value).removesuffix(".0")


def bucket_matcher(objective: LatencyObjective) -> str:
    """The label matcher of the histogram bucket that ends at the objective's threshold.

    Exporters and Prometheus 3 write whole seconds as `1.0`, others as `1`.
    """
    seconds = threshold_seconds(objective)
    text = plain_number(seconds)
    return f'le=~"{text}|{text}[.]0"' if seconds.is_integer() else f'le="{text}"'


def make_form(template: str, structure: Structure) -> str:
    """The groups of a template as a %-format of JSON."""
    own = (
        "service", "environment", "namespace", "owner", "runbook", "dashboard", "max_queue",
        "disk_budget_bytes",
    )  # fmt: skip
    values: dict[str, Any] = {name: f"@{name}@" for name in own} | dict(structure)
    values["objectives"] = [
        {"kind": kind, "fastest": fastest}
        | {name: f"@{kind}_{name}@" for name in ("budget", "target", "bucket")}
        for kind, fastest in structure.get("fastest", ())
    ]
    values["selector"] = 'environment="@environment@", model_service="@service@"'
    values["minimum_requests"] = MINIMUM_REQUESTS
    values |= {"psi": "@psi@", "minimum_rows": "@minimum_rows@", "zero_share": repr(ZERO_SHARE)}
    values["least_expected"] = LEAST_EXPECTED
    groups = yaml.load(rendered(template, values, **_SYNTAX), _LOADER)["groups"] or []
    return format_of(json.dumps(groups, ensure_ascii=False))


def _dashboard(service: ResolvedService) -> str:
    """Id of the dashboard that shows a model: its own, or else that of all models; "" without both."""
    grafana = service.environment.grafana
    if grafana is None:
        return ""
    if service.spec.monitoring.dashboard:
        return names.dashboard_uid(service)
    return names.fleet_dashboard_uid(service.environment) if grafana.fleet else ""


def _dashboard_address(service: ResolvedService, uid: str) -> str | None:
    """The address of a dashboard, if there is one and the environment knows Grafana's."""
    grafana = service.environment.grafana
    return f"{grafana.url.rstrip('/')}/d/{uid}" if grafana and grafana.url and uid else None


def _with_links(group: dict[str, Any], page: str | None, dashboard: str | None) -> dict[str, Any]:
    """Link alerts to their dashboard and runbook.

    Those without a runbook of the model's owner link to their section of the page, if there is one.
    """
    for rule in group["rules"]:
        annotations = rule.get("annotations")
        if annotations is None:
            continue
        if annotations["runbook_url"] == "" and page:
            annotations["runbook_url"] = f"{page}#{rule['alert'].lower()}"
        elif annotations["runbook_url"] == "":
            del annotations["runbook_url"]
        if dashboard:
            annotations["dashboard_url"] = dashboard
    return group
