"""Callers from outside come by a path prefix, which nothing on the way takes off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(
        iris.config(pathPrefix="/ml"), tmp_path_factory.mktemp("path_prefix")
    ) as running:
        yield running


def test_it_answers_below_the_prefix_and_without_it(server: RunningServer, iris: Iris) -> None:
    for path in ("/v1/iris/predict", "/ml/v1/iris/predict", "/ml/v1/iris/predict/"):
        answer = server.post(path, [iris.rows[0]])
        assert answer.status == 200, path
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": iris.rows[0]}]}
    for prefix in ("", "/ml"):
        assert server.post(f"{prefix}/v2/models/iris/infer", body).status == 200
        assert server.get(f"{prefix}/readyz").status == 200


def test_only_the_prefix_itself_is_one(server: RunningServer, iris: Iris) -> None:
    for path in ("/mlx/v1/iris/predict", "/ml/ml/v1/iris/predict", "/other/v1/iris/predict"):
        answer = server.post(path, [iris.rows[0]])
        assert (answer.status, answer.json()["error"]["code"]) == (404, "not_found")


def test_both_are_counted_as_one(server: RunningServer, iris: Iris) -> None:
    before = requests_counted(server)
    for path in ("/v1/iris/predict", "/ml/v1/iris/predict"):
        server.post(path, [iris.rows[0]])
    assert requests_counted(server) == before + 2
    assert b'"/ml' not in server.get("/metrics").body


def requests_counted(server: RunningServer) -> float:
    lines = server.get("/metrics").body.decode().splitlines()
    name = "servestack_request_duration_seconds_count"
    found = [line for line in lines if line.startswith(name) and '"/v1/iris/predict"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_the_page_sends_its_requests_by_the_prefix(server: RunningServer) -> None:
    assert server.get("/ml/v1/iris/docs").status == 200
    assert server.get("/ml/v1/iris/openapi.json").json()["servers"] == [{"url": "/ml"}]
