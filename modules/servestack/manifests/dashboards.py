"""The Grafana dashboards: monitoring/dashboards/*.json filled in for a model, or an environment.

A template holds the dashboard without its panels, and its sections: {"dashboard": ..., "sections":
[{"title", "needs", "panels"}]}. A section is left out where what it needs is missing, so that no
panel waits for data that cannot come.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from servestack.data import read_template
from servestack.manifests import names
from servestack.manifests.rules import BURN_RATES, objectives, plain_number, threshold_seconds
from servestack.manifests.templates import fill, format_of
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Environment
from servestack.spec.model_service import shadow_name
from servestack.spec.quantities import byte_count

_MODEL = "monitoring/dashboards/model-service.json"
_FLEET = "monitoring/dashboards/fleet.json"
_NUMBER = re.compile(r'"@@([a-z_]+)@@"')
_NO_LIMIT = "1e9"
"""A threshold that nothing reaches."""
_FLEET_INTERVAL = "15s"


def dashboard_text(service: ResolvedService) -> str:
    """The dashboard of a model as JSON text, the same for the same spec."""
    spec, environment = service.spec, service.environment
    own = objectives(service)
    targets = " ".join(f"{objective.target}." for objective in own)
    slo = spec.monitoring.slo
    latency_seconds = threshold_seconds(slo.latency) if slo and slo.latency else 0.0
    budgets = {objective.kind: objective.budget for objective in own}
    runbooks = environment.prometheus.runbooks if environment.prometheus else None
    has = {
        **dict.fromkeys(budgets, True),
        "events": bool(service.topics.shipped()),
        "drift": spec.monitoring.watched is not None,
        "fleet": bool(environment.grafana and environment.grafana.fleet),
        "runbooks": bool(spec.monitoring.runbook or runbooks),
    }
    values = {
        "uid": names.dashboard_uid(service),
        "fleet_uid": names.fleet_dashboard_uid(environment),
        "runbooks": spec.monitoring.runbook or runbooks or "",
        "service": service.name,
        # The match of a label: of the model alone, or with its shadow.
        "compared": f'=~"{service.name}|{shadow_name(service.name)}"'
        if service.shadow is not None
        else f'="{service.name}"',
        "environment": environment.name,
        "description": " ".join(filter(None, (spec.description, targets))),
        "interval": f"{spec.monitoring.scrape_interval_seconds}s",
        "availability_budget": plain_number(budgets.get("availability", 1)),
        "availability_page": plain_number(
            round(min(1, BURN_RATES[0] * budgets.get("availability", 1)), 10)
        ),
        "latency_budget": plain_number(budgets.get("latency", 1)),
        "latency_seconds": plain_number(latency_seconds),
        "latency_limit": plain_number(latency_seconds) if latency_seconds else _NO_LIMIT,
        "max_queue": str(spec.api.limits.max_queue),
        "disk_budget_bytes": str(byte_count(spec.logging.disk_budget)),
    }
    return fill(_template(_MODEL, frozenset(name for name, true in has.items() if true)), values)


def fleet_text(environment: Environment) -> str:
    """The dashboard of all models of an environment, as JSON text."""
    runbooks = environment.prometheus.runbooks if environment.prometheus else None
    values = {
        "uid": names.fleet_dashboard_uid(environment),
        "runbooks": runbooks or "",
        "environment": environment.name,
        "namespace": environment.namespace,
        "interval": _FLEET_INTERVAL,
    }
    return fill(_template(_FLEET, frozenset({"runbooks"} if runbooks else ())), values)


@lru_cache(maxsize=64)
def _template(path: str, has: frozenset[str]) -> str:
    """A %-format with one line per panel: readable in a diff, small in the cluster."""
    template = json.loads(read_template(path))
    dashboard: dict[str, Any] = template["dashboard"]
    dashboard["links"] = [link for link in dashboard["links"] if _is_there(link, has)]
    panels: list[dict[str, Any]] = []
    y = 0
    for section in template["sections"]:
        if section["needs"] and section["needs"] not in has:
            continue
        panels.append(_row(section["title"], y))
        for panel in section["panels"]:
            place = panel["gridPos"] | {"y": panel["gridPos"]["y"] + y + 1}
            panels.append(panel | {"gridPos": place})
        y = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    lines = ",\n  ".join(_compact({"id": n} | panel) for n, panel in enumerate(panels, start=1))
    rest = ",\n ".join(f"{json.dumps(key)}: {_compact(value)}" for key, value in dashboard.items())
    text = f'{{\n {rest},\n "panels": [\n  {lines}\n ]\n}}\n'
    return format_of(_NUMBER.sub(r"@\1@", text))


def _is_there(link: dict[str, Any], has: frozenset[str]) -> bool:
    """Whether a link has somewhere to go: two of them depend on the environment."""
    needs = {"/d/@fleet_uid@": "fleet", "@runbooks@": "runbooks"}.get(link["url"])
    return needs is None or needs in has


def _row(title: str, y: int) -> dict[str, Any]:
    place = {"h": 1, "w": 24, "x": 0, "y": y}
    return {"collapsed": False, "gridPos": place, "panels": [], "title": title, "type": "row"}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
