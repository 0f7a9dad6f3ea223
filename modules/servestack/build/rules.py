"""Prometheus rules of a model: the templates of monitoring/rules filled in from the spec.

Rendering and parsing a template takes milliseconds, and models differ in little but their names.
So a template is rendered once for each set of numbers, with marks where text goes, and kept as
JSON; a model costs one replacement and one JSON parse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from servestack.data import read_template
from servestack.resolve.resolved import ResolvedService
from servestack.spec.observability import LatencyObjective
from servestack.spec.quantities import byte_count

MINIMUM_REQUESTS = 100
"""Requests in an alert's long window below which a ratio says nothing."""

_TEMPLATES = ("monitoring/rules/slo.yaml.j2", "monitoring/rules/operations.yaml.j2")
_MARKS = ("service", "environment", "owner", "runbook")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective in the words of the template; `budget` is the share that may miss it."""

    kind: str
    title: str
    words: str
    target: str
    budget: float
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Everything in the rules of a model but its own text."""

    objectives: tuple[Objective, ...]
    alerts: bool
    events: bool
    drift: bool
    max_queue: int
    disk_budget_bytes: int


def rule_groups(service: ResolvedService) -> list[dict[str, Any]]:
    """The groups of a Prometheus rule file: {"name", "rules": [...]}."""
    spec = service.spec
    shape = _Shape(
        objectives=objectives(service),
        alerts=spec.monitoring.alerts,
        events=bool(service.topics.shipped()),
        drift=spec.monitoring.drift,
        max_queue=spec.api.limits.max_queue,
        disk_budget_bytes=byte_count(spec.logging.disk_budget),
    )
    text = _rendered(shape)
    values = (
        service.name,
        service.environment.name,
        spec.owner or "unowned",
        spec.monitoring.runbook or "",
    )
    for mark, value in zip(_MARKS, values, strict=True):
        text = text.replace(_mark(mark), json.dumps(value)[1:-1])
    groups: list[dict[str, Any]] = json.loads(text)
    return [_without_empty_links(group) for group in groups]


def objectives(service: ResolvedService) -> tuple[Objective, ...]:
    """The objectives of a spec, availability first."""
    slo = service.spec.monitoring.slo
    if slo is None:
        return ()
    found = [
        Objective(
            kind="availability",
            title="Errors",
            words="too many server errors",
            target=f"{slo.availability:g}% of the requests are to be answered without a server error",
            budget=_share_outside(slo.availability),
        )
    ]
    if slo.latency is not None:
        found.append(
            Objective(
                kind="latency",
                title="Slow",
                words="too many slow answers",
                target=f"{slo.latency.percentile:g}% of the requests are to be answered "
                f"within {slo.latency.milliseconds:g} ms",
                budget=_share_outside(slo.latency.percentile),
                bucket=bucket_matcher(slo.latency),
            )
        )
    return tuple(found)


def _share_outside(percent: float) -> float:
    return round((100 - percent) / 100, 10)


def bucket_matcher(objective: LatencyObjective) -> str:
    """The label matcher of the histogram bucket that ends at the objective's threshold.

    Exporters and Prometheus 3 write whole seconds as `1.0`, others as `1`.
    """
    seconds = f"{objective.milliseconds / 1000:g}"
    return f'le="{seconds}"' if "." in seconds else f'le=~"{seconds}|{seconds}[.]0"'


@lru_cache(maxsize=512)
def _rendered(shape: _Shape) -> str:
    """The groups of both templates as JSON, with marks where a model's own text goes."""
    values: dict[str, Any] = {name: getattr(shape, name) for name in shape.__slots__}
    values |= {name: _mark(name) for name in _MARKS}
    values["selector"] = 'environment="{}", model_service="{}"'.format(
        _mark("environment"), _mark("service")
    )
    values["minimum_requests"] = MINIMUM_REQUESTS
    groups: list[dict[str, Any]] = []
    for name in _TEMPLATES:
        if name.endswith("operations.yaml.j2") and not shape.alerts:
            continue
        groups += yaml.load(_template(name).render(values), _LOADER)["groups"] or []
    return json.dumps(groups, ensure_ascii=False)


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
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.from_string(read_template(name))


def _mark(name: str) -> str:
    return f"@{name}@"


def _without_empty_links(group: dict[str, Any]) -> dict[str, Any]:
    for rule in group["rules"]:
        if rule.get("annotations", {}).get("runbook_url") == "":
            del rule["annotations"]["runbook_url"]
    return group
