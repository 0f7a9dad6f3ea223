"""What the server counts into the buckets of a model's profile, by every route that predicts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack_contract.buckets import make_profile
from servestack_contract.profile import FILE, dump_profile, profile_id

Sample = tuple[dict[str, str], float]
EVERY_ROW = {"drift": {"rowsPerSecond": 500_000}}


def place(iris: Iris, folder: Path) -> str:
    """Iris with a profile of all its rows; returns its path."""
    shutil.copytree(iris.folder, folder / "iris")
    baked = Path(f"{iris.folder}.baked")
    if baked.exists():
        shutil.copytree(baked, folder / "iris.baked")
    rows = np.array(iris.rows)
    columns = {name: rows[:, at] for at, name in enumerate(COLUMNS)}
    made = make_profile(columns, {"prediction": np.array(iris.classes)}, is_by_position=False)
    (folder / "iris" / FILE).write_bytes(dump_profile(made))
    return str(folder / "iris")


@pytest.fixture(scope="module")
def server(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "events").mkdir()
    config = iris.config(
        models=[{"name": "iris", "path": place(iris, folder)}], metrics=EVERY_ROW,
        protocols=["seldon"], limits={"maxRows": 500},
        events={
            "folder": str(folder / "events"), "source": "/models/iris", "kinds": ["predictions"],
            "predictions": {"redact": {"petal_width": "hash"}},
        },
    )  # fmt: skip
    with running_server(config, folder) as running:
        yield running


def samples(server: RunningServer, name: str) -> list[Sample]:
    text = server.get("/metrics").body.decode()
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def counts(server: RunningServer, name: str = "servestack_input_bucket_total") -> dict[str, float]:
    """Rows by column."""
    found: dict[str, float] = {}
    for labels, value in samples(server, name):
        found[labels["column"]] = found.get(labels["column"], 0) + value
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not counted in time"
        time.sleep(0.05)


def bodies(rows: list[list[float]]) -> list[tuple[str, Any, dict[str, str]]]:
    """Each route and form of body, with the same rows."""
    flat = [value for row in rows for value in row]
    shape = [len(rows), len(rows[0])]
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    lines = "\n".join(json.dumps(record) for record in records).encode()
    csv = "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]).encode()
    split = {"dataframe_split": {"columns": list(COLUMNS), "data": rows}}
    tensor = {"name": "x", "shape": shape, "datatype": "FP64", "data": flat}
    seldon = {"data": {"names": list(COLUMNS), "tensor": {"shape": shape, "values": flat}}}
    return [
        ("/v1/iris/predict", rows, {}),
        ("/v1/iris/predict", records, {}),
        ("/v1/iris/predict", lines, {"Content-Type": "application/x-ndjson"}),
        ("/v1/iris/predict", csv, {"Content-Type": "text/csv"}),
        ("/v1/iris/batch", [*rows, [-1, 0, 0, 0]], {}),
        ("/invocations", split, {}),
        ("/v1/models/iris:predict", {"instances": rows}, {}),
        ("/v2/models/iris/infer", {"inputs": [tensor]}, {}),
        ("/api/v1.0/predictions", seldon, {}),
    ]


@pytest.mark.parametrize("form", range(9))
def test_every_route_counts(server: RunningServer, iris: Iris, form: int) -> None:
    path, body, headers = bodies(iris.rows[:300])[form]
    rows = min(300, len(iris.rows))
    before, predicted = counts(server), counts(server, "servestack_prediction_bucket_total")
    answer = server.post(path, body, headers)
    assert answer.status == 200, answer.body
    wait_until(lambda: counts(server)["sepal_length"] == before["sepal_length"] + rows)
    assert set(counts(server).values()) == {before["sepal_length"] + rows}
    after = counts(server, "servestack_prediction_bucket_total")
    assert after == {"prediction": predicted["prediction"] + rows}


def test_all_of_training_is_its_own_profile(server: RunningServer, iris: Iris) -> None:
    """Every body above had the rows of the profile, so the shares are the profile's."""
    shares = {
        (labels["column"], labels["bucket"]): value
        for labels, value in samples(server, "servestack_profile_share")
    }
    total = counts(server)["sepal_length"]
    assert total >= 150
    for name in ("servestack_input_bucket_total", "servestack_prediction_bucket_total"):
        for labels, value in samples(server, name):
            share = shares[labels["column"], labels["bucket"]]
            assert value / total == pytest.approx(share), labels


def test_a_redacted_column_is_no_label(server: RunningServer) -> None:
    assert set(counts(server)) == {*COLUMNS} - {"petal_width"}
    assert "petal_width" not in {
        labels["column"] for labels, _ in samples(server, "servestack_profile_share")
    }


def test_the_profile_is_named(server: RunningServer) -> None:
    ((labels, value),) = samples(server, "servestack_profile_info")
    assert (labels["source"], value) == ("training", 1)
    assert len(labels["profile"]) == len(profile_id(b""))
    assert {value for _, value in samples(server, "servestack_profile_rows")} == {150}
    assert not any(value for _, value in samples(server, "servestack_drift_problems"))
    assert not any(value for _, value in samples(server, "servestack_drift_rows_skipped_total"))


def test_what_is_refused_is_not_counted(server: RunningServer) -> None:
    before = counts(server)
    assert server.post("/v1/iris/predict", [[-1, 0, 0, 0]]).status == 422
    time.sleep(0.3)
    assert counts(server) == before


def test_the_first_rows_without_a_profile(iris: Iris, tmp_path: Path) -> None:
    config = iris.config(metrics={"drift": {"baselineRows": 120, "columns": ["sepal_width"]}})
    with running_server(config, tmp_path) as server:
        assert samples(server, "servestack_profile_info") == []
        assert server.post("/v1/iris/predict", iris.rows[:100]).status == 200
        time.sleep(0.3)
        assert samples(server, "servestack_profile_info") == []
        server.post("/v1/iris/predict", iris.rows[100:150])
        wait_until(lambda: bool(samples(server, "servestack_profile_info")))
        ((labels, _),) = samples(server, "servestack_profile_info")
        assert labels["source"] == "first_rows"
        assert labels["profile"].startswith("first-")
        assert counts(server) == {"sepal_width": 0}
        server.post("/v1/iris/predict", iris.rows[:30])
        wait_until(lambda: counts(server) == {"sepal_width": 30})
        assert counts(server, "servestack_prediction_bucket_total") == {"prediction": 30}


def test_a_bad_profile_keeps_no_model_from_being_served(iris: Iris, tmp_path: Path) -> None:
    path = place(iris, tmp_path)
    (Path(path) / FILE).write_text('{"version": 9}')
    config = iris.config(
        models=[{"name": "iris", "path": path}], metrics={"drift": True}
    )  # fmt: skip
    with running_server(config, tmp_path) as server:
        assert server.post("/v1/iris/predict", iris.rows[:1]).status == 200
        problems = {
            labels["problem"]: value
            for labels, value in samples(server, "servestack_drift_problems")
        }
        assert problems == {"profile": 1, "columns": 0, "input": 0}
        assert "has version 9, and 1 is read" in server.said()
