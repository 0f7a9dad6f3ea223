"""Every alert fires for its own cause, reaches its receiver, and resolves when the cause is over.

All of it is real: servers that load a model, Prometheus 3 with the rules that are rendered,
Alertmanager with the configuration of docs/how-to/route-alerts.md, webhooks. Only time is not: the
rules' durations are divided by one factor each (tests/support/hurried.py).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from serving_image.tests.api.owned_model import own_iris
from serving_image.tests.support.iris import COLUMNS, Iris, train_iris
from serving_image.tests.support.server import RunningServer, running_server
from tools.links import anchors_of

from servestack.manifests.rules import rule_groups
from servestack.manifests.server_settings import server_settings
from servestack.resolve.resolved import ResolvedService
from servestack_contract.settings import ModelPlace, to_plain
from tests.docs.test_alerts import PAGE, alerts
from tests.real.alert_causes import CAUSES, Cause, Stage
from tests.support.alerting import (
    Notice,
    Receiver,
    api,
    running_alertmanager,
    running_prometheus,
    running_receiver,
    wait,
)
from tests.support.hurried import hurried, shorter
from tests.support.kafka import KafkaCluster, running_kafka
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY
from tests.support.services import resolved

OPERATIONS, OTHERS = 30, 240
"""How many times faster time runs for each kind of group: an hour is 2 minutes, or 15 seconds for
objectives and drift."""
RUNBOOKS = "https://docs.example.com/operations/alerts.html"
FIRES_SECONDS, RESOLVES_SECONDS = 90, 180
_SECURITY = {"credentials": {"secret": "kafka"}, "ca": {"secret": "kafka-ca", "key": "ca.crt"}}


@dataclass(frozen=True)
class Watch:
    """What watches: Prometheus's address, and where Alertmanager's messages arrive."""

    prometheus: str
    receiver: Receiver
    stages: dict[str, Stage]
    stories: dict[str, Future[None]]


def model_name(alert: str) -> str:
    """Each alert has a model of its own."""
    return "iris-" + alert.removeprefix("ModelService").lower()


def factor_of(group: str) -> int:
    return OPERATIONS if group.endswith("-operations") else OTHERS


def hurried_groups(service: ResolvedService) -> list[dict[str, Any]]:
    """The rendered groups, hurried; they are evaluated once a minute if they do not say how often."""
    return [
        hurried({"interval": "1m"} | group, factor_of(group["name"]))
        for group in rule_groups(service)
    ]


def routed(receiver: Receiver) -> dict[str, Any]:
    """The configuration of the documentation, hurried, with this receiver in place of others."""
    config: dict[str, Any] = hurried(documented_config(), OPERATIONS)
    for each in config["receivers"]:
        for webhook in each["webhook_configs"]:
            webhook["url"] = f"{receiver.url}/{each['name']}"
    return config


def documented_config() -> dict[str, Any]:
    page = (REPOSITORY / "docs/how-to/route-alerts.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n# alertmanager.yml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    config: dict[str, Any] = yaml.safe_load(text)
    return config


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """All models with their servers, watched, and every cause at work at the same time."""
    folder = tmp_path_factory.mktemp("alerts")
    iris = train_iris(folder / "iris")
    ports = dict(zip(CAUSES, free_ports(len(CAUSES)), strict=True))
    with ExitStack() as stack:
        (folder / "kafka").mkdir()
        kafka = stack.enter_context(running_kafka(folder / "kafka"))
        stages = {alert: _stage(alert, folder, iris, kafka, ports[alert]) for alert in CAUSES}
        for stage in stages.values():
            stack.callback(stage.down)
            stage.up()
        receiver = stack.enter_context(running_receiver())
        alertmanager = stack.enter_context(running_alertmanager(folder, routed(receiver)))
        config = _prometheus_config(folder, stages, ports, alertmanager)
        lookback = shorter("5m", OPERATIONS)
        prometheus = stack.enter_context(running_prometheus(folder, config, lookback))
        found = Watch(prometheus, receiver, stages, {})
        with ThreadPoolExecutor(len(CAUSES)) as pool:
            for alert in CAUSES:
                found.stories[alert] = pool.submit(_tell, found, alert)
            yield found


def _stage(alert: str, folder: Path, iris: Iris, kafka: KafkaCluster, port: int) -> Stage:
    cause, own = CAUSES[alert], folder / model_name(alert).replace("-", "_")
    model = iris.folder
    if cause.code is not None:
        own.mkdir()
        model = Path(own_iris(iris, own, cause.code)["models"][0]["path"])
    if cause.profile is not None:
        model = shutil.copytree(iris.folder, own / "model")
        cause.profile(iris).save(model)
    spec = cause.spec | {
        "name": model_name(alert),
        "owner": "growth-ml",
        "trust": {"code": cause.code is not None},
    }
    environment = {
        "kafka": {"brokers": [kafka.address], "security": _SECURITY},
        "prometheus": {"runbooks": RUNBOOKS},
    }
    signature = {"inputs": [{"name": n, "type": "double", "required": True} for n in COLUMNS]}
    service = resolved(own / "project", spec, environment, {"signature": signature})
    settings = server_settings(service)
    assert settings.events is not None
    events = msgspec.structs.replace(
        settings.events,
        folder=str(own / "events"),
        registry=str(own / "data/registry/filebeat"),
    )
    (own / "events").mkdir()
    places = tuple(ModelPlace(place.name, str(model)) for place in settings.models)
    config = to_plain(msgspec.structs.replace(settings, models=places, events=events))

    def start() -> AbstractContextManager[RunningServer]:
        return running_server(config, own, port=port)

    return Stage(service, own, model, iris, kafka, start)


def _prometheus_config(
    folder: Path, stages: dict[str, Stage], ports: dict[str, int], alertmanager: str
) -> dict[str, Any]:
    """Scrapes as often as every half minute, or every minute for objectives."""
    jobs = []
    for alert, stage in stages.items():
        file = folder / f"{stage.service.name}.rules.yaml"
        file.write_text(yaml.safe_dump({"groups": hurried_groups(stage.service)}))
        has_objectives = stage.service.spec.monitoring.slo is not None
        interval = shorter("1m", OTHERS) if has_objectives else shorter("30s", OPERATIONS)
        jobs.append(
            {
                "job_name": stage.service.name,
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "static_configs": [{"targets": [f"127.0.0.1:{ports[alert]}"]}],
            }
        )
    return {
        "global": {"evaluation_interval": shorter("1m", OPERATIONS)},
        "rule_files": [f"{folder}/*.rules.yaml"],
        "scrape_configs": jobs,
        "alerting": {
            "alertmanagers": [
                {"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}
            ]
        },
    }


def _tell(watch: Watch, alert: str) -> None:
    """The story of one alert, from before its cause until after it."""
    stage, name, cause = watch.stages[alert], model_name(alert), CAUSES[alert]
    wait(f"{name} is scraped", lambda: _info(watch, name), FIRES_SECONDS)
    with cause.acting(stage):
        wait(
            f"{alert} fires for {name}",
            lambda: all(_with(_firing(watch, name), alert, labels) for labels in cause.fires),
            FIRES_SECONDS,
        )
        # Alertmanager says nothing of an alert that is over before it tells the next ones.
        wait(
            f"{alert} is told",
            lambda: all(
                _with(_told(watch, name, "firing"), alert, labels) for labels in _first(cause)
            ),
            FIRES_SECONDS,
        )
    with stage.calling(lambda: stage.predict(*stage.iris.rows), pause=0.2):  # Life goes on.
        wait(f"{alert} resolves for {name}", lambda: not _firing(watch, name), RESOLVES_SECONDS)


def _first(cause: Cause) -> list[dict[str, str]]:
    """The labels of alerts that are told at once: pages hold tickets of the same trouble back."""
    pages = [labels for labels in cause.fires if labels.get("severity") == "page"]
    return pages or [*cause.fires]


def _with(found: list[dict[str, str]], alert: str, labels: dict[str, str]) -> list[dict[str, str]]:
    """Those of the alert's labels that contain the given ones."""
    return [each for each in found if (labels | {"alertname": alert}).items() <= each.items()]


def _told(watch: Watch, name: str, status: str) -> list[dict[str, str]]:
    return [notice.labels for notice in watch.receiver.of(name, status)]


def _info(watch: Watch, name: str) -> Any:
    query = f'servestack_model_info{{model_service="{name}"}}'
    return api(watch.prometheus, "query", query=query)["result"]


def _was_down(watch: Watch, name: str) -> bool:
    """Whether a scrape of the model has ever failed, by Prometheus's own record."""
    (found,) = api(watch.prometheus, "query", query=f'min_over_time(up{{job="{name}"}}[1h])')[
        "result"
    ]
    return float(found["value"][1]) == 0


def _firing(watch: Watch, name: str) -> list[dict[str, str]]:
    """The labels of a model's alerts that fire, as Prometheus has them now."""
    return [
        found["labels"]
        for found in api(watch.prometheus, "alerts")["alerts"]
        if found["state"] == "firing" and found["labels"]["model_service"] == name
    ]


def _severity(service: ResolvedService, alert: str, window: str | None) -> str:
    """That of the rendered rules of this name and window."""
    (severity,) = {
        rule["labels"]["severity"]
        for group in rule_groups(service)
        for rule in group["rules"]
        if rule.get("alert") == alert and rule["labels"].get("window") == window
    }
    return str(severity)


def test_every_alert_has_a_cause() -> None:
    """A new alert: its cause goes into tests/real/alert_causes.py."""
    assert set(CAUSES) == alerts()


@pytest.mark.parametrize("alert", CAUSES)
def test_an_alert_fires_for_its_cause_and_resolves(watch: Watch, alert: str) -> None:
    cause, name, receiver = CAUSES[alert], model_name(alert), watch.receiver
    watch.stories[alert].result()
    for wanted in cause.fires:
        severity = _severity(watch.stages[alert].service, alert, wanted.get("window"))

        def notices(status: str, wanted: dict[str, str] = wanted) -> list[Notice]:
            return [
                notice
                for notice in receiver.of(name, status)
                if _with([notice.labels], alert, wanted)
            ]

        wait(f"{alert} {wanted} is told", lambda: notices("firing"), 30)
        wait(f"{alert} {wanted} is told to be over", lambda: notices("resolved"), 30)
        first, last = notices("firing")[0], notices("resolved")[-1]
        assert first.at < last.at
        assert first.receiver == ("on-call" if severity == "page" else "growth-ml")
        for notice in (first, last):
            labels = notice.labels
            assert (labels["severity"], labels["owner"]) == (severity, "growth-ml")
            assert (labels["environment"], labels["namespace"]) == ("prod", "models")
            told = notice.annotations
            assert told.keys() == {"summary", "description", "runbook_url"}
            assert told["summary"].startswith(f"{name} in prod: ")
            assert not re.search(r"\{\{|\}\}|<<|>>|<no value>|%!|NaN", told["summary"])
            assert not re.search(r"\{\{|\}\}|<<|>>|<no value>|%!|NaN", told["description"])
            page, _, anchor = told["runbook_url"].partition("#")
            assert (page, anchor in anchors_of(PAGE)) == (RUNBOOKS, True)
    others = {notice.name for notice in receiver.of(name)} - {alert} - cause.also
    if _was_down(watch, name):
        # On a machine with no time to spare a scrape runs out of its own, and that is told by right.
        others -= {"ModelServiceDown"}
    assert others == set()


def test_pages_hold_tickets_of_the_same_trouble_back(watch: Watch) -> None:
    """The documented inhibition: the slower windows burn as well, and are told after the pages."""
    both = [alert for alert, cause in CAUSES.items() if len(_first(cause)) < len(cause.fires)]
    assert len(both) == 2
    for alert in both:
        watch.stories[alert].result()
        told = watch.receiver.of(model_name(alert), "firing")
        first = {severity: min(n.at for n in told if n.labels["severity"] == severity)
                 for severity in ("page", "ticket")}  # fmt: skip
        assert first["page"] < first["ticket"]


def test_prometheus_3_evaluates_every_rule(watch: Watch) -> None:
    assert api(watch.prometheus, "status/buildinfo")["version"].startswith("3.")
    for story in watch.stories.values():
        story.result()
    groups = api(watch.prometheus, "rules")["groups"]
    rendered = [group for stage in watch.stages.values() for group in rule_groups(stage.service)]
    assert sorted(g["name"] for g in groups) == sorted(g["name"] for g in rendered)
    unwell = [
        (rule["name"], rule.get("lastError", ""))
        for group in groups
        for rule in group["rules"]
        if rule["health"] != "ok"
    ]
    assert unwell == []
