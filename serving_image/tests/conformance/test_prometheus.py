"""Prometheus's own readers on /metrics: the client library's strict parser, and promtool."""

from __future__ import annotations

import subprocess

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer
from tools.install import install


def test_client_library_reads_them(server: RunningServer, iris: Iris) -> None:
    assert server.post("/v1/iris/predict", iris.rows[:3]).status == 200
    assert server.post("/v1/iris/predict", [["no number", 1, 1, 1]]).status == 422
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {one.name: one for one in text_string_to_metric_families(answer.body.decode())}
    samples = families["servestack_requests"].samples
    predicted = {
        sample.labels["http_response_code"]: sample.value
        for sample in samples
        if "predict" in sample.labels["endpoint"] and sample.name.endswith("_total")
    }
    assert predicted["200"] >= 1
    assert predicted["422"] >= 1
    info = next(iter(families["servestack_model_info"].samples))
    assert (info.labels["model"], info.labels["version"], info.value) == ("iris", "4", 1)
    for family in families.values():
        assert family.documentation, family.name
        for sample in family.samples:
            if family.name.startswith("servestack_"):
                assert sample.labels["model_service"] == "iris"
                assert sample.labels["environment"] == "local"


def test_histograms_add_up(server: RunningServer, iris: Iris) -> None:
    for row in iris.rows[:5]:
        server.post("/v1/iris/predict", [row])
    families = text_string_to_metric_families(server.get("/metrics").body.decode())
    checked = 0
    for family in families:
        if family.type != "histogram":
            continue
        series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        counts = {}
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            key = tuple(sorted(labels.items()))
            if sample.name.endswith("_bucket"):
                bucket = (float(sample.labels["le"]), sample.value)
                series.setdefault(key, []).append(bucket)
            elif sample.name.endswith("_count"):
                counts[key] = sample.value
        assert series.keys() == counts.keys()
        for key, buckets in series.items():
            assert buckets == sorted(buckets), family.name
            values = [value for _, value in buckets]
            assert values == sorted(values), family.name
            assert buckets[-1] == (float("inf"), counts[key]), family.name
            checked += 1
    assert checked >= 2


def test_promtool_has_nothing_to_say(server: RunningServer, iris: Iris) -> None:
    server.post("/v1/iris/predict", iris.rows[:1])
    body = server.get("/metrics").body
    found = subprocess.run(
        [install("promtool"), "check", "metrics"], input=body, capture_output=True, timeout=60
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_whoever_accepts_openmetrics_gets_what_it_can_read(server: RunningServer) -> None:
    """Prometheus asks for OpenMetrics first; an answer that says so has to be it."""
    accepted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = server.get("/metrics", {"Accept": accepted})
    text = answer.body.decode()
    if answer.headers["content-type"].startswith("application/openmetrics-text"):
        assert list(openmetrics_families(text))  # type: ignore[no-untyped-call]
    else:
        assert "version=" in answer.headers["content-type"]
        assert list(text_string_to_metric_families(text))
