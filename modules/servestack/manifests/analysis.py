"""The queries by which a new version is compared with the stable one, as metrics of an AnalysisTemplate.

A version is given up when its share of failed or slow requests is surely above what the objective
allows and surely above the stable version's. "Surely" are the ends of Wilson's interval, which holds
for few requests too: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
Inference", Journal of the American Statistical Association 22 (1927), pp. 209-212.

A query without data gives no sample, and no sample is no failure: the rollout goes on only after
`enough_requests`.
"""

from __future__ import annotations

import json

from servestack.manifests.manifest import Body
from servestack.manifests.rules import Objective, objectives
from servestack.manifests.server_settings import served_pin
from servestack.resolve.resolved import ResolvedService
from servestack_contract.artifact import served_version
from servestack_contract.metrics import REQUEST_SECONDS, REQUESTS

CHECK_SECONDS = 10
"""Time between two looks."""
Z = 3.5
"""Standard deviations of the interval: 1 look in 4,300 is outside on one side by chance alone."""
NOW, LATELY = "2m", "30m"
"""Windows of the new version, where one goes bad late, and of the stable one."""
SLOWER_FACTOR, SLOWER_SECONDS = 2, 0.005
"""Without an objective for latency: half of the new version's answers take this many times as long as
95% of the stable version's, and this much more."""

VERSION = "version"
"""Argument of the AnalysisTemplates."""
# Not those of a version that was given up a minute ago: its pods were canaries too.
NEW = 'variant="canary",version="{{args.version}}"'
STABLE = 'variant="stable"'
_ERRORS, _SLOW = "more-errors-than-stable", "slower-than-stable"


def version_argument(service: ResolvedService) -> list[Body]:
    """The argument of the AnalysisTemplates: the version, as the server's metrics name it."""
    version = served_version([served_pin(model) for model in service.models])
    return [{"name": VERSION, "value": version}]


def checks(service: ResolvedService) -> list[Body]:
    """The metrics that end a rollout, each for the last two minutes and since the rollout began."""
    wanted, metrics = service.spec.rollout.checks, []
    own = {each.kind: each for each in objectives(service)}
    allowed = own["availability"].budget if "availability" in own else 0
    for window, suffix in ((NOW, "-now"), ("", "")):
        if wanted.errors:
            query = _more_errors(service, allowed, window)
            metrics.append(_breach(service, _ERRORS + suffix, query))
        if wanted.latency and (objective := own.get("latency")):
            query = _more_slow_requests(service, objective, window)
            metrics.append(_breach(service, _SLOW + suffix, query))
        elif wanted.latency and window:
            metrics.append(_breach(service, _SLOW, _slower(service)))
    return metrics


def enough_requests(service: ResolvedService) -> Body:
    """The metric that ends once the new version has answered `args.requests` requests."""
    metric = _metric(service, "enough-requests", _count(_requests(service, NEW)))
    return metric | {
        "successCondition": "len(result) > 0 && result[0] >= asFloat('{{args.requests}}')",
        # One look with enough ends it well, and all looks without one end the rollout.
        "count": _looks(service),
        "consecutiveSuccessLimit": 1,
        "failureLimit": -1,
    }


def _breach(service: ResolvedService, name: str, query: str) -> Body:
    """A metric that ends the rollout with the first sample above zero."""
    metric = _metric(service, name, query)
    return metric | {"failureCondition": "len(result) > 0 && result[0] > 0"}


def _metric(service: ResolvedService, name: str, query: str) -> Body:
    assert service.rollouts is not None  # Only a rollout engine reads AnalysisTemplates.
    address = service.rollouts.prometheus_address.rstrip("/")
    return {
        "name": name,
        "interval": f"{CHECK_SECONDS}s",
        # A Prometheus that is away says nothing about a version.
        "consecutiveErrorLimit": _looks(service),
        "provider": {"prometheus": {"address": address, "query": query}},
    }


def _looks(service: ResolvedService) -> int:
    """How often a step looks before it has waited long enough."""
    return round(service.spec.rollout.checks.wait_minutes * 60 / CHECK_SECONDS)


def _more_errors(service: ResolvedService, allowed: float, window: str) -> str:
    """How far the new version's errors are surely above what they may be; no sample without data."""
    failed = 'http_response_code=~"5.."'
    return _excess(
        service,
        f"({_count(_requests(service, NEW, failed), window)} or vector(0))",
        _count(_requests(service, NEW), window),
        f"({_count(_requests(service, STABLE, failed), LATELY)} or vector(0))",
        _count(_requests(service, STABLE), LATELY),
        allowed,
    )


def _more_slow_requests(service: ResolvedService, objective: Objective, window: str) -> str:
    def counts(variant: str, span: str) -> tuple[str, str]:
        """(slow requests, requests)"""
        name, labels = REQUEST_SECONDS.name, _labels(service, variant)
        requests = _count(f"{name}_count{{{labels}}}", span)
        fast = _count(f"{name}_bucket{{{labels},{objective.bucket}}}", span)
        return f"({requests} - {fast})", requests

    return _excess(service, *counts(NEW, window), *counts(STABLE, LATELY), objective.budget)


def _slower(service: ResolvedService) -> str:
    """How many seconds the new version's median is above what the stable version's 95% allow."""
    name = f"{REQUEST_SECONDS.name}_bucket"
    new, stable = (
        f"histogram_quantile({quantile}, sum by (le) (increase({name}{{{labels}}}[{window}])))"
        for quantile, labels, window in (
            (0.5, _labels(service, NEW), NOW),
            (0.95, _labels(service, STABLE), LATELY),
        )
    )
    return _lines(
        "# Seconds by which half of the new version's answers take longer than they may.",
        "(",
        f"  {new}",
        f"  - {SLOWER_FACTOR} * {stable}",
        f"  - {SLOWER_SECONDS}",
        ")",
        f"and {_count(_requests(service, NEW), NOW)} >= {_least(service)}",
    )


def _excess(
    service: ResolvedService,
    bad: str,
    requests: str,
    stable_bad: str,
    stable_requests: str,
    allowed: float,
) -> str:
    """How far the share of the new version's bad requests is surely above what it may be."""
    return _lines(
        "# The new version: the lower end of Wilson's interval for its share of bad requests.",
        "(",
        *_wilson(bad, requests, "-"),
        "  # Less the upper end of the stable version's, or what the objective allows if that is more.",
        "  - (",
        "    clamp_min(",
        *(f"    {line}" for line in _wilson(stable_bad, stable_requests, "+")),
        f"      , {allowed!r})",
        f"    and {stable_requests} >= {_least(service)}",
        f"    or vector({allowed!r})",
        "  )",
        ")",
        "# With fewer requests there is no verdict.",
        f"and {requests} >= {_least(service)}",
    )


def _wilson(bad: str, requests: str, end: str) -> list[str]:
    """One end of Wilson's interval for the share of bad requests, from counts."""
    square = Z * Z
    return [
        "  (",
        f"    {bad} + {square / 2!r}",
        f"    {end} {Z} * sqrt(",
        f"      {bad}",
        f"      - {bad} ^ 2 / {requests}",
        f"      + {square / 4!r}",
        "    )",
        f"  ) / ({requests} + {square!r})",
    ]


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _least(service: ResolvedService) -> int:
    return service.spec.rollout.checks.minimum_requests


def _requests(service: ResolvedService, variant: str, more: str = "") -> str:
    labels = _labels(service, variant)
    return f"{REQUESTS.name}{{{labels}{',' if more else ''}{more}}}"


def _labels(service: ResolvedService, variant: str) -> str:
    environment, name = json.dumps(service.environment.name), json.dumps(service.name)
    return f"environment={environment},model_service={name},{variant}"


def _count(series: str, window: str = "") -> str:
    """Requests of a window; without one, since the pods started, which a rollout's are as old as."""
    return f"sum(increase({series}[{window}]))" if window else f"sum({series})"
