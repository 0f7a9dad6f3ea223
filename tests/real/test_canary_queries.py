"""promtool asks what a rollout asks Prometheus, of versions good and bad."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tools.install import install

from servestack.manifests.rollout import build_checks_analysis_template
from servestack.resolve.resolved import ResolvedService
from servestack.yaml_writer import dump
from tests.support.services import resolved

ROLLOUTS = {"engine": "argo", "prometheusAddress": "http://prometheus:9090"}
MINUTES = 10
PER_MINUTE = 4
"""Samples: a scrape every 15 seconds."""
ERRORS, ERRORS_NOW = "more-errors-than-stable", "more-errors-than-stable-now"
SLOW, SLOW_NOW = "slower-than-stable", "slower-than-stable-now"
Version = dict[str, float]
"""Per scrape: `requests`, of those `errors` and `slow`; from minute `since` on, before it neither."""


def service(folder: Path, slo: Any) -> ResolvedService:
    spec = {"rollout": {"strategy": "canary"}, "monitoring": {"slo": slo}}
    return resolved(folder, spec, {"rollouts": ROLLOUTS})


BOTH = {"availability": 99.9, "latency": {"percentile": 95, "milliseconds": 50}}


def series_of(variant: str, version: Version) -> dict[str, str]:
    """The counters of one version, scrape by scrape."""
    labels = f'environment="prod",model_service="iris",variant="{variant}",version="3"'
    count, errors, slow = (version.get(key, 0) for key in ("requests", "errors", "slow"))
    late = int(version.get("since", 0) * PER_MINUTE)

    def counted(per_scrape: float, bad: float = 0) -> str:
        values, total = [], 0.0
        for scrape in range(MINUTES * PER_MINUTE + 1):
            values.append(str(round(total)))
            total += per_scrape - (bad if scrape >= late else 0)
        return " ".join(values)

    def bad(per_scrape: float) -> str:
        return counted(0, -per_scrape)

    duration = "servestack_request_duration_seconds"
    return {
        f'servestack_requests_total{{{labels},http_response_code="200"}}': counted(count, errors),
        f'servestack_requests_total{{{labels},http_response_code="500"}}': bad(errors),
        f"{duration}_count{{{labels}}}": counted(count),
        f'{duration}_bucket{{{labels},le="0.001"}}': counted(count, slow),
        f'{duration}_bucket{{{labels},le="0.05"}}': counted(count, slow),
        f'{duration}_bucket{{{labels},le="0.1"}}': counted(count),
        f'{duration}_bucket{{{labels},le="+Inf"}}': counted(count),
    }


def breaches(
    folder: Path, of: ResolvedService, series: dict[str, str], minute: float = MINUTES
) -> tuple[set[str], set[str]]:
    """(metrics that end the rollout, metrics with a verdict at all) at a minute."""
    template = build_checks_analysis_template(of)
    assert template is not None
    metrics = {
        # As the controller fills its arguments in.
        metric["name"]: metric["provider"]["prometheus"]["query"].replace("{{args.version}}", "3")
        for metric in template["spec"]["metrics"]
    }
    verdict, yes = (
        {
            name
            for name, query in metrics.items()
            if _has_sample(folder, series, minute, f"({query}){wanted}")
        }
        for wanted in ("", " > 0")
    )
    return yes, verdict


def _has_sample(folder: Path, series: dict[str, str], minute: float, query: str) -> bool:
    """Whether a query has an answer at that minute: promtool expects none, and says no if it has."""
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": f"{int(minute * 60)}s"}],
    }
    file = folder / "asked.yaml"
    file.write_text(dump({"rule_files": [], "evaluation_interval": "15s", "tests": [test]}))
    done = subprocess.run(
        [install("promtool-3"), "test", "rules", file], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "got:" in said, said
    return done.returncode != 0


GOOD = {"requests": 100, "errors": 0.0, "slow": 1}


@pytest.mark.parametrize(
    ("canary", "stable", "ended"),
    [
        pytest.param({"requests": 20}, GOOD, set(), id="good"),
        pytest.param({"requests": 20, "errors": 1}, GOOD, {ERRORS, ERRORS_NOW}, id="errors"),
        pytest.param(
            {"requests": 40, "errors": 4, "since": 8}, GOOD, {ERRORS, ERRORS_NOW}, id="errors-late"
        ),
        pytest.param({"requests": 20, "slow": 10}, GOOD, {SLOW, SLOW_NOW}, id="slow"),
        pytest.param(
            {"requests": 20, "errors": 1}, {"requests": 100, "errors": 5}, set(), id="alike"
        ),
        pytest.param({"requests": 20, "errors": 1}, {}, {ERRORS, ERRORS_NOW}, id="stable-unasked"),
        pytest.param({"requests": 1, "errors": 1}, GOOD, set(), id="too-few"),
    ],
)
def test_a_version_is_given_up_for_what_is_surely_worse(
    tmp_path: Path, canary: Version, stable: Version, ended: set[str]
) -> None:
    of = service(tmp_path / "project", BOTH)
    series = series_of("canary", canary) | series_of("stable", stable)
    assert breaches(tmp_path, of, series)[0] == ended


def test_without_data_there_is_no_verdict(tmp_path: Path) -> None:
    of = service(tmp_path / "project", BOTH)
    assert breaches(tmp_path, of, series_of("stable", GOOD)) == (set(), set())


def test_without_an_objective_of_latency_half_of_the_requests_tell(tmp_path: Path) -> None:
    of = service(tmp_path / "project", {"availability": 99.9})
    good = series_of("stable", GOOD) | series_of("canary", {"requests": 40, "slow": 1})
    slow = series_of("stable", GOOD) | series_of("canary", {"requests": 40, "slow": 40})
    assert breaches(tmp_path, of, good)[0] == set()
    assert breaches(tmp_path, of, slow)[0] == {SLOW}
