"""Prometheus rules of a model: the templates of monitoring/rules filled in from the spec.

Rendering and parsing a template takes milliseconds, and models differ in little but their names
and numbers. So a template is rendered once for each structure, with marks where a model's own
words and numbers go, and kept as JSON in pieces; a model costs one join and one JSON parse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import yaml

from servestack.data import read_template
from servestack.resolve.resolved import ResolvedService
from servestack.spec.observability import LatencyObjective
from servestack.spec.quantities import byte_count

MINIMUM_REQUESTS = 100
"""Requests in an alert's long window below which a ratio says nothing."""

BURN_RATES = (14.4, 6, 3, 1)
"""How many times too fast the month's budget goes when an alert fires, as in the template."""

_TEMPLATES = ("monitoring/rules/slo.yaml.j2", "monitoring/rules/operations.yaml.j2")
_MARK = re.compile(r"@([a-z_]+)@")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective in the words of the template; `budget` is the share that may miss it."""

    kind: str
    target: str
    budget: float
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Everything in the rules of a model but its own words and numbers.

    `fastest` holds each objective's kind with the highest burn rate that can be reached at all:
    where a tenth of the requests may fail, the budget cannot go 14.4 times too fast.
    """

    fastest: tuple[tuple[str, float], ...]
    alerts: bool
    events: bool
    drift: bool
    parked: bool


def rule_groups(service: ResolvedService) -> list[dict[str, Any]]:
    """The groups of a Prometheus rule file: {"name", "rules": [...]}."""
    spec = service.spec
    own = objectives(service)
    shape = _Shape(
        fastest=tuple((each.kind, _fastest_burn(each)) for each in own),
        alerts=spec.monitoring.alerts,
        events=bool(service.topics.shipped()),
        drift=spec.monitoring.drift,
        parked=spec.autoscaling is None and not spec.replicas,
    )
    values = {
        "service": service.name,
        "environment": service.environment.name,
        "owner": spec.owner or "unowned",
        "runbook": spec.monitoring.runbook or "",
        "max_queue": str(spec.api.limits.max_queue),
        "disk_budget_bytes": str(byte_count(spec.logging.disk_budget)),
    }
    for objective in own:
        values[f"{objective.kind}_budget"] = str(objective.budget)
        values[f"{objective.kind}_target"] = objective.target
        values[f"{objective.kind}_bucket"] = objective.bucket
    groups: list[dict[str, Any]] = json.loads(fill(_rendered(shape), values))
    return [_without_empty_links(group) for group in groups]


def fill(pieces: tuple[str, ...], values: Mapping[str, str]) -> str:
    """JSON text with values in the place of marks. What a value holds is never read as a mark."""
    text = list(pieces)
    text[1::2] = [_json_text(values[name]) for name in pieces[1::2]]
    return "".join(text)


def pieces_of(text: str) -> tuple[str, ...]:
    """JSON text cut at its marks: text, name of a mark, text, name of a mark, …, text."""
    return tuple(_MARK.split(text))


@lru_cache(maxsize=4096)
def _json_text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


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
            target=f"{plain_number(slo.availability)}% of the requests are to be answered without a server error",
            budget=_share_outside(slo.availability),
        )
    ]
    if slo.latency is not None:
        found.append(
            Objective(
                kind="latency",
                target=f"{plain_number(slo.latency.percentile)}% of the requests are to be answered "
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


@lru_cache(maxsize=512)
def _rendered(shape: _Shape) -> tuple[str, ...]:
    """The groups of both templates as JSON, cut at the marks of a model's own text."""
    marks = ("service", "environment", "owner", "runbook", "max_queue", "disk_budget_bytes")
    values: dict[str, Any] = {name: f"@{name}@" for name in marks}
    values |= {name: getattr(shape, name) for name in ("alerts", "events", "drift", "parked")}
    values["objectives"] = [
        {"kind": kind, "fastest": fastest}
        | {name: f"@{kind}_{name}@" for name in ("budget", "target", "bucket")}
        for kind, fastest in shape.fastest
    ]
    values["selector"] = 'environment="@environment@", model_service="@service@"'
    values["minimum_requests"] = MINIMUM_REQUESTS
    groups: list[dict[str, Any]] = []
    for name in _TEMPLATES:
        if name.endswith("operations.yaml.j2") and not shape.alerts:
            continue
        groups += yaml.load(_template(name).render(values), _LOADER)["groups"] or []
    return pieces_of(json.dumps(groups, ensure_ascii=False))


@lru_cache(maxsize=8)
def _template(name: str) -> Any:
    from jinja2 import Environment, StrictUndefined

    # Prometheus' own templates are written {{ … }} too, so ours are not.
    environment = Environment(
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.from_string(read_template(name))


def _without_empty_links(group: dict[str, Any]) -> dict[str, Any]:
    for rule in group["rules"]:
        if rule.get("annotations", {}).get("runbook_url") == "":
            del rule["annotations"]["runbook_url"]
    return group
