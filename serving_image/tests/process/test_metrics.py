"""What the server exports is what the contract says, and no more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.process.event_log import KINDS, events
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer, free_port, running_server
from serving_image.tests.support.shadow import settled, traffic_to

from servestack_contract.buckets import make_profile
from servestack_contract.metrics import CATALOGUE, LABELS
from servestack_contract.profile import FILE, dump_profile
from servestack_server.cli import main

BY_NAME = {metric.name: metric for metric in CATALOGUE}


@pytest.fixture(scope="module")
def server(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One with a compiled model that has answered, refused, and logged all kinds of events."""
    folder = tmp_path_factory.mktemp("metrics")
    shutil.copytree(iris.folder, folder / "iris")
    rows = np.array(iris.rows)
    profiled = {name: rows[:, at] for at, name in enumerate(COLUMNS)}
    outputs = {"prediction": np.array(iris.classes)}
    profile = make_profile(profiled, outputs, is_by_position=False)
    (folder / "iris" / FILE).write_bytes(dump_profile(profile))
    config = iris.config(
        environment="prod", events=events(folder / "events", *KINDS), metrics={"drift": True},
        models=[{"name": "iris", "path": str(folder / "iris")}],
    )  # fmt: skip
    (folder / "bake.json").write_text(json.dumps(config))
    assert main(["bake", f"--config={folder}/bake.json", "--only=iris"]) == 0
    traffic_to(free_port(), folder)  # A shadow that nobody is: what is copied is dropped.
    with running_server(config, folder) as running:
        for _ in range(3):
            id = running.post("/v1/iris/predict", [iris.rows[0]]).json()["id"]
        running.post("/v1/iris/predict", [[1000.0, 1, 1, 1]])
        running.post("/v1/iris/batch", [iris.rows[0], [1, 1, 1, -5], [1, 1, 1, -5]])
        running.post("/v1/iris/feedback", {"id": id, "feedback": {"species": 0}})
        running.get("/nothing")
        yield running


def families(server: RunningServer) -> dict[str, Any]:
    text = server.get("/metrics").body.decode()
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = family
    return found


def test_every_declared_metric_is_exported_and_no_other(server: RunningServer) -> None:
    assert sorted(families(server)) == sorted(BY_NAME)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_metric_is_as_declared(server: RunningServer, name: str) -> None:
    family, declared = families(server)[name], BY_NAME[name]
    assert family.type == declared.type
    assert family.documentation == declared.help
    assert family.samples, "no sample"
    labels = {*LABELS, *declared.labels}
    for sample in family.samples:
        extra = {"le"} if sample.name.endswith("_bucket") else set()
        assert set(sample.labels) == labels | extra
        assert sample.labels["environment"] == "prod"
        assert sample.labels["model_service"] == "iris"
    if declared.type == "histogram":
        bounds = {float(s.labels["le"]) for s in family.samples if s.name.endswith("_bucket")}
        assert sorted(bounds) == [*map(float, declared.buckets), float("inf")]


def value(server: RunningServer, name: str, **labels: str) -> float:
    family = families(server)[name.removesuffix("_sum").removesuffix("_count")]
    for sample in family.samples:
        if sample.name == name and labels.items() <= sample.labels.items():
            return float(sample.value)
    raise AssertionError(f"{name} {labels}")


def test_requests_are_counted_by_route_and_status(server: RunningServer) -> None:
    def requests(endpoint: str, status: int) -> float:
        return value(
            server, "servestack_requests_total", endpoint=endpoint, http_response_code=str(status)
        )

    assert requests("/v1/iris/predict", 200) == 3
    assert requests("/v1/iris/predict", 422) == 1
    assert requests("/v1/iris/batch", 200) == 1
    assert requests("/v1/iris/feedback", 202) == 1
    assert requests("unknown", 404) == 1
    assert (
        value(server, "servestack_request_duration_seconds_count", endpoint="/v1/iris/predict") == 4
    )


def test_inputs_are_counted_by_column(server: RunningServer) -> None:
    """Values that the model saw, and values outside of the range."""
    for column in ("sepal_length", "petal_width"):
        assert value(server, "servestack_input_values_total", column=column) == 4
    assert value(server, "servestack_input_out_of_range_total", column="sepal_length") == 1
    assert value(server, "servestack_input_out_of_range_total", column="petal_width") == 2


def test_events_are_counted_by_kind(server: RunningServer) -> None:
    def written() -> float:
        return value(server, "servestack_events_written_total", kind="predictions")

    from serving_image.tests.process.load import wait_until

    wait_until(lambda: written() == 4)
    assert value(server, "servestack_events_written_total", kind="feedback") == 1
    dropped = [s.value for s in families(server)["servestack_events_dropped_total"].samples]
    assert not any(dropped)


def test_copies_for_a_shadow_are_as_many_as_predictions(server: RunningServer) -> None:
    """Four of them: three of predict, one of batch; feedback and refusals are not copied."""
    assert settled(server) == {("dropped", "unreachable"): 4}


def test_probes_and_pages_are_not_counted(server: RunningServer) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json"):
        assert server.get(path).status == 200
    endpoints = {
        sample.labels["endpoint"]
        for sample in families(server)["servestack_requests_total"].samples
    }
    assert endpoints == {"/v1/iris/predict", "/v1/iris/batch", "/v1/iris/feedback", "unknown"}
