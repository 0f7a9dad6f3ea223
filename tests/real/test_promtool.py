"""promtool checks the rules that are rendered, and plays their alerts: firing, quiet, boundary.

Debian's of Prometheus 2.42 and that of Prometheus 3 both do it, and have to agree: ranges are open
on the left only in the newer one, and it names buckets differently.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from tools.install import install

from servestack.manifests.dashboards import dashboard_text, fleet_text
from servestack.manifests.rules import MINIMUM_REQUESTS, rule_groups
from servestack.resolve.resolved import ResolvedService
from servestack.yaml_writer import dump
from servestack_contract import metrics
from tests.support.projects import REPOSITORY
from tests.support.services import resolved

LABELS = 'environment="prod", model_service="iris"'
SLO = {
    "slo": {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}},
    "drift": True,
}
Series = dict[str, str]


@pytest.fixture
def service(tmp_path: Path) -> ResolvedService:
    return resolved(tmp_path / "project", {"monitoring": SLO, "owner": "ml"})


PROMTOOLS = ("promtool", "promtool-3")


def promtool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([install(name), *arguments], capture_output=True, text=True, check=False)


def play(
    folder: Path,
    service: ResolvedService,
    series: Series,
    minutes: int,
    promtools: tuple[str, ...] = PROMTOOLS,
) -> set[tuple[str, str]]:
    """(alert, window) of what fires after `minutes` of the series, as all these promtools see it."""
    rules = folder / "rules.yaml"
    rules.write_text(dump({"groups": rule_groups(service)}))
    names = {
        rule["alert"]
        for group in rule_groups(service)
        for rule in group["rules"]
        if "alert" in rule
    }
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"{name}, {LABELS}}}", "values": f"{values}x{minutes}"}
                    for name, values in series.items()
                ],
                # Nothing is expected, so that promtool tells all that fires.
                "alert_rule_test": [
                    {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": []}
                    for name in sorted(names)
                ],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    seen = [_fired(name, file) for name in promtools]
    assert all(fired == seen[0] for fired in seen), seen
    return seen[0]


def _fired(name: str, file: Path) -> set[tuple[str, str]]:
    done = promtool(name, "test", "rules", file)
    output = done.stdout + done.stderr
    assert "FAILED" in output or done.returncode == 0, output
    got = re.sub(r"exp:\[.*?\]", "", output, flags=re.DOTALL)
    fired = re.findall(r'Labels:\{alertname="(\w+)"(?:[^}]*?window="(\w+)")?', got)
    return set(fired)


def requests(good: float, bad: float) -> Series:
    """Requests a minute by answer."""
    name = 'servestack_requests_total{endpoint="/predict", http_response_code="%s"'
    return {name % "200": f"0+{good:g}", name % "500": f"0+{bad:g}", **ALIVE}


ALIVE: Series = {'servestack_model_info{model="iris", version="3", digest="ab"': "1+0"}


def latencies(fast: float, slow: float) -> Series:
    """Answers a minute within and above the objective's threshold."""
    name = "servestack_request_duration_seconds_"
    return {
        f'{name}bucket{{endpoint="/predict", le="0.05"': f"0+{fast:g}",
        f'{name}bucket{{endpoint="/predict", le="+Inf"': f"0+{fast + slow:g}",
        f'{name}count{{endpoint="/predict"': f"0+{fast + slow:g}",
        **requests(fast + slow, 0),
    }


@pytest.mark.parametrize("name", PROMTOOLS)
def test_rules_are_valid(tmp_path: Path, service: ResolvedService, name: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(dump({"groups": rule_groups(service)}))
    done = promtool(name, "check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "file", sorted(REPOSITORY.glob("**/rendered/**/prometheusrule-*.yaml")), ids=str
)
def test_rendered_rules_are_valid(tmp_path: Path, file: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load(file.read_text())["spec"]))
    for name in PROMTOOLS:
        done = promtool(name, "check", "rules", rules)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("good", "bad", "windows"),
    [
        pytest.param(100, 0, set(), id="quiet"),
        # 1% may fail: 14.4 times that is 14.4%, 6 times 6%.
        pytest.param(85, 15, {"1h", "6h", "1d", "3d"}, id="fast burn"),
        pytest.param(86, 14, {"6h", "1d", "3d"}, id="just below the fast burn"),
        pytest.param(92, 8, {"6h", "1d", "3d"}, id="slow burn"),
        pytest.param(96, 4, {"1d", "3d"}, id="ticket"),
        pytest.param(98, 2, {"3d"}, id="slow ticket"),
        pytest.param(99, 1, set(), id="exactly the objective"),
    ],
)
def test_availability(
    tmp_path: Path, service: ResolvedService, good: float, bad: float, windows: set[str]
) -> None:
    fired = play(tmp_path, service, requests(good, bad), 360)
    assert {window for alert, window in fired if alert == "ModelServiceErrors"} == windows


@pytest.mark.parametrize(
    ("fast", "slow", "windows"),
    [
        pytest.param(100, 0, set(), id="quiet"),
        # 5% may be slow: 14.4 times that is 72%.
        pytest.param(27, 73, {"1h", "6h", "1d", "3d"}, id="fast burn"),
        pytest.param(29, 71, {"6h", "1d", "3d"}, id="just below the fast burn"),
        pytest.param(95, 5, set(), id="exactly the objective"),
    ],
)
def test_latency(
    tmp_path: Path, service: ResolvedService, fast: float, slow: float, windows: set[str]
) -> None:
    fired = play(tmp_path, service, latencies(fast, slow), 360)
    assert {window for alert, window in fired if alert == "ModelServiceSlow"} == windows


def test_two_versions_at_once_are_one_service(tmp_path: Path, service: ResolvedService) -> None:
    """A canary that fails and a stable version that does not: the alerts are the service's."""
    stable, canary = ('version="3", variant="stable"', 'version="4", variant="canary"')
    counter = 'servestack_requests_total{endpoint="/predict", http_response_code="%s", %s'
    name = "servestack_request_duration_seconds_"
    series = {counter % ("200", stable): "0+85", counter % ("500", canary): "0+15", **ALIVE}
    for served, fast, slow in ((stable, 27, 0), (canary, 0, 73)):
        series |= {
            f'{name}bucket{{endpoint="/predict", {served}, le="0.05"': f"0+{fast}",
            f'{name}bucket{{endpoint="/predict", {served}, le="+Inf"': f"0+{fast + slow}",
            f'{name}count{{endpoint="/predict", {served}': f"0+{fast + slow}",
        }
    every = {"1h", "6h", "1d", "3d"}
    assert play(tmp_path, service, series, 360) == {
        (alert, window) for alert in ("ModelServiceErrors", "ModelServiceSlow") for window in every
    }


MOVED = {"slo": {"availability": 99, "latency": {"percentile": 95, "milliseconds": 75}}}


@pytest.mark.parametrize(
    ("slow", "windows"),
    [
        pytest.param(0, set(), id="quiet"),
        pytest.param(73, {"1h", "6h", "1d", "3d"}, id="new pods are slow"),
    ],
)
@pytest.mark.parametrize(
    ("started", "minutes"),
    [
        pytest.param(355, 360, id="rolling"),
        pytest.param(60, 360, id="rolled out"),
    ],
)
def test_latency_objective_moved(
    tmp_path: Path, slow: float, windows: set[str], started: int, minutes: int
) -> None:
    """Old pods have no bucket at the new threshold, and still answer while pods are replaced."""
    service = resolved(tmp_path / "project", {"monitoring": MOVED, "owner": "ml"})
    name = "servestack_request_duration_seconds_"
    old = 'endpoint="/predict", pod="old"'
    new = 'endpoint="/predict", pod="new"'
    absent = f"_x{started} "
    series = {
        f'{name}bucket{{{old}, le="0.06"': "0+100",
        f'{name}bucket{{{old}, le="+Inf"': "0+100",
        f"{name}count{{{old}": "0+100",
        f'{name}bucket{{{new}, le="0.075"': f"{absent}0+{100 - slow}",
        f'{name}bucket{{{new}, le="+Inf"': f"{absent}0+100",
        f"{name}count{{{new}": f"{absent}0+100",
        **requests(200, 0),
    }
    fired = play(tmp_path, service, series, minutes, PROMTOOLS[:1])
    assert {window for alert, window in fired if alert == "ModelServiceSlow"} == windows


def test_no_pod_has_the_new_threshold_yet(tmp_path: Path) -> None:
    """The rules are applied before the first pod is replaced."""
    service = resolved(tmp_path / "project", {"monitoring": MOVED, "owner": "ml"})
    assert play(tmp_path, service, latencies(100, 0), 360) == set()


def test_few_requests_say_nothing(tmp_path: Path, service: ResolvedService) -> None:
    per_minute = MINIMUM_REQUESTS / 60 * 0.9
    fired = play(tmp_path, service, requests(0, per_minute), 60)
    assert ("ModelServiceErrors", "1h") not in fired
    fired = play(tmp_path, service, requests(0, per_minute * 1.3), 60)
    assert ("ModelServiceErrors", "1h") in fired


@pytest.mark.parametrize(
    ("series", "alert"),
    [
        ({}, "ModelServiceDown"),
        ({'servestack_queue_depth{pod="a"': "500+0", **ALIVE}, "ModelServiceQueueFull"),
        (
            {'servestack_events_dropped_total{kind="predictions", reason="disk"': "0+5", **ALIVE},
            "ModelServiceEventsDropped",
        ),
        (
            {'servestack_events_unshipped_bytes{kind="predictions"': "200000000+0", **ALIVE},
            "ModelServiceEventsUnshipped",
        ),
        (
            {
                'servestack_input_values_total{column="a"': "0+100",
                'servestack_input_out_of_range_total{column="a"': "0+10",
                **ALIVE,
            },
            "ModelServiceInputRefused",
        ),
    ],
)
def test_operations(tmp_path: Path, service: ResolvedService, series: Series, alert: str) -> None:
    assert {
        name for name, _ in play(tmp_path, service, series or {'up{job="other"': "1+0"}, 90)
    } == {alert}
    assert play(tmp_path, service, ALIVE, 90) == set()


DAYS = {"1h", "1d"}


def counted(
    side: str, minute: list[float], profile: list[float], profile_rows: float, quantile: float
) -> Series:
    """Rows a minute by bucket, and the shares that the profile has, with what chance allows."""
    column = 'model="iris", profile="ab", column="a"'
    own = f'{column}, side="{side}"'
    found = {
        f"servestack_profile_rows{{{own}": f"{profile_rows}+0",
        f"servestack_profile_chi_squared_limit{{{own}": f"{quantile}+0",
        **ALIVE,
    }
    for at, (rows, share) in enumerate(zip(minute, profile, strict=True)):
        found[f'servestack_{side}_bucket_total{{{column}, bucket="{at}"'] = f"0+{rows:g}"
        found[f'servestack_profile_share{{{own}, bucket="{at}"'] = f"{share:g}+0"
    return found


@pytest.mark.parametrize(
    ("minute", "profile", "profile_rows", "quantile", "minutes", "windows"),
    [
        pytest.param([50, 50], [0.5, 0.5], 10_000, 20, 90, set(), id="quiet"),
        pytest.param([90, 10], [0.5, 0.5], 10_000, 20, 90, DAYS, id="moved"),
        # Of two even buckets PSI is (a - 0.5) ln(a / (1 - a)): 0.093 and 0.106.
        pytest.param([65, 35], [0.5, 0.5], 10_000, 20, 90, set(), id="just below psi"),
        pytest.param([66, 34], [0.5, 0.5], 10_000, 20, 90, DAYS, id="just above psi"),
        # 492 and 504 rows in an hour, of which the day has one, and later two.
        pytest.param([7.2, 1], [0.5, 0.5], 10_000, 20, 90, set(), id="just below minimumRows"),
        pytest.param([7.2, 1], [0.5, 0.5], 10_000, 20, 130, {"1d"}, id="enough for the day"),
        pytest.param([7.4, 1], [0.5, 0.5], 10_000, 20, 90, DAYS, id="just above minimumRows"),
        # PSI is 0.275, and by chance up to 20 (1/6000 + 1/m): 0.289 and 0.270.
        pytest.param([75, 25], [0.5, 0.5], 70, 20, 90, set(), id="a small profile"),
        pytest.param([75, 25], [0.5, 0.5], 75, 18, 90, DAYS, id="not quite as small"),
        # PSI is 0.106 because of two rows of the profile, which Pearson's statistic knows to be few.
        pytest.param([50, 50, 0], [0.49, 0.49, 0.02], 100, 5, 90, set(), id="a nearly empty bucket"),
        # The hour fires once it has held for five minutes; the day begins with a whole hour.
        pytest.param([90, 10], [0.5, 0.5], 10_000, 20, 58, {"1h"}, id="before the first whole hour"),
        pytest.param([90, 10], [0.5, 0.5], 10_000, 20, 4, set(), id="not for five minutes yet"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("side", "alert"),
    [("input", "ModelServiceInputDrift"), ("prediction", "ModelServicePredictionDrift")],
)
def test_drift(
    tmp_path: Path, service: ResolvedService, side: str, alert: str, minute: list[float],
    profile: list[float], profile_rows: float, quantile: float, minutes: int, windows: set[str],
) -> None:  # fmt: skip
    series = counted(side, minute, profile, profile_rows, quantile)
    assert play(tmp_path, service, series, minutes) == {(alert, window) for window in windows}


ROWS = 'servestack_drift_rows_total{model="iris"'
SKIPPED = 'servestack_drift_rows_skipped_total{model="iris", reason="outputs"'
PROBLEM = 'servestack_drift_problems{model="iris", problem="profile"'


@pytest.mark.parametrize(
    ("series", "minutes", "fires"),
    [
        pytest.param({PROBLEM: "0+0", ROWS: "0+100", SKIPPED: "0+0"}, 90, False, id="quiet"),
        pytest.param({PROBLEM: "1+0"}, 15, True, id="a problem"),
        pytest.param({PROBLEM: "1+0"}, 14, False, id="a problem since less than 15 minutes"),
        pytest.param({ROWS: "0+100", SKIPPED: "0+11"}, 90, True, id="more than a tenth skipped"),
        pytest.param({ROWS: "0+100", SKIPPED: "0+10"}, 90, False, id="a tenth skipped"),
        pytest.param({ROWS: "100+0", SKIPPED: "50+0"}, 90, False, id="no rows for an hour"),
    ],
)
def test_drift_is_not_watched(
    tmp_path: Path, service: ResolvedService, series: Series, minutes: int, fires: bool
) -> None:
    fired = play(tmp_path, service, series | ALIVE, minutes)
    assert fired == ({("ModelServiceDriftUnwatched", "")} if fires else set())


def test_rules_and_dashboards_name_only_what_the_image_exports(service: ResolvedService) -> None:
    """And what Prometheus says of alerts; `pod` is a label of its targets."""
    names, labels = set(), set(metrics.LABELS)
    for metric in metrics.CATALOGUE:
        suffixes = ("_bucket", "_sum", "_count") if metric.type == "histogram" else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
        labels |= set(metric.labels)
    rules = [rule for group in rule_groups(service) for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    boards = [json.loads(dashboard_text(service)), json.loads(fleet_text(service.environment))]
    asked = [rule["expr"] for rule in rules]
    for board in boards:
        asked += [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
        asked += [a["target"]["expr"] for a in board["annotations"]["list"]]
        asked += [v["query"] for v in board["templating"]["list"] if v["type"] == "query"]
    text = "\n".join(asked)
    used = set(
        re.findall(r"\b(?:servestack[_:][a-z_:0-9]+|container_\w+|kube_\w+|process_\w+)", text)
    )
    assert used <= names | recorded
    assert len(used) > 25
    assert {*metrics.CATALOGUE} - {
        m for m in metrics.CATALOGUE if any(m.name in u for u in used)
    } == {
        metrics.CONVERSION_DIFFERENCE,  # `check` and `status` tell it.
        metrics.IN_FLIGHT_SECONDS,  # Autoscalers ask for it.
        metrics.PROFILE_INFO,  # For people who ask which profile a pod has.
        # For people who ask what their shadow missed (docs/how-to/shadow-a-version.md).
        metrics.SHADOW_REQUESTS,
        metrics.SHADOW_WAITING,
    }
    matched = set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=~|=|!=)", text))
    grouped = {
        label.strip()
        for group in re.findall(r"(?:by|on|ignoring) \(([^)]*)\)", text)
        for label in group.split(",")
    }
    of_targets = {"pod", "instance"}
    of_alerts = {"alertname", "alertstate", "severity", "window", "owner"}
    own = {"served", "dashboard"}
    assert matched | grouped <= labels | {"le"} | of_targets | of_alerts | own


def test_a_month_with_idle_hours_has_a_budget(tmp_path: Path, service: ResolvedService) -> None:
    """Of an hour without requests the ratio is no number, which no sum gets rid of."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(dump({"groups": rule_groups(service)}))
    busy, idle = "0+600x60", "36000+0x120"
    left = json.loads(dashboard_text(service))
    (expression,) = (
        panel["targets"][0]["expr"] for panel in left["panels"]
        if panel["title"] == "Availability budget left"
    )  # fmt: skip
    counter = f'servestack_requests_total{{{LABELS}, endpoint="/p", http_response_code='
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'{counter}"200"}}', "values": f"{busy} {idle}"},
                    # One in a hundred and one: a little less than the budget of 1% allows.
                    {"series": f'{counter}"500"}}', "values": "0+6x60 360+0x120"},
                ],
                "promql_expr_test": [
                    {
                        "expr": f"round({expression}, 0.01)",
                        "eval_time": "180m",
                        "exp_samples": [{"labels": f"{{{LABELS}}}", "value": 0.01}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(dump(test))
    done = promtool("promtool-3", "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
