"""The Grafana dashboard of a model: monitoring/dashboards/model-service.json filled in."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

from servestack.data import read_template
from servestack.manifests.rules import objectives, plain_number, threshold_seconds
from servestack.manifests.templates import fill, format_of
from servestack.resolve.resolved import ResolvedService

DASHBOARD_FILE = "{name}.json"
_TEMPLATE = "monitoring/dashboards/model-service.json"


def dashboard_text(service: ResolvedService) -> str:
    """The dashboard as JSON text, the same for the same spec."""
    slo = service.spec.monitoring.slo
    own = objectives(service)
    targets = " ".join(f"{objective.target}." for objective in own)
    latency_seconds = threshold_seconds(slo.latency) if slo and slo.latency else 0.0
    values = {
        "uid": _uid(service),
        "service": service.name,
        "environment": service.environment.name,
        "description": " ".join(filter(None, (service.spec.description, targets))),
        "availability_budget": plain_number(own[0].budget) if own else "1",
        "latency_seconds": plain_number(latency_seconds),
    }
    return fill(_template(), values)


@lru_cache(maxsize=1)
def _template() -> str:
    """The template with one line per panel: readable in a diff, small in the cluster."""
    dashboard = json.loads(read_template(_TEMPLATE))
    panels = ",\n  ".join(_compact(panel) for panel in dashboard.pop("panels"))
    rest = ",\n ".join(f"{json.dumps(key)}: {_compact(value)}" for key, value in dashboard.items())
    return format_of(f'{{\n {rest},\n "panels": [\n  {panels}\n ]\n}}\n')


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _uid(service: ResolvedService) -> str:
    """An id that is the same in every render, within Grafana's limit of 40 characters."""
    name = f"{service.environment.name}/{service.name}"
    return f"servestack-{hashlib.sha256(name.encode()).hexdigest()[:24]}"
