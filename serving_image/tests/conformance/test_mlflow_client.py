"""MLflow's scoring client, and the bodies of its documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer


@pytest.fixture
def client(server: RunningServer) -> ScoringServerClient:
    return ScoringServerClient("127.0.0.1", server.port)


def test_ping_and_version(client: ScoringServerClient) -> None:
    client.ping()
    client.wait_server_ready(timeout=5)
    major, *_ = client.get_version().split(".")
    assert int(major) >= 2  # the protocol of `dataframe_split`


def test_invoke_with_a_frame(client: ScoringServerClient, iris: Iris) -> None:
    frame = pd.DataFrame(iris.rows[:9], columns=list(COLUMNS))
    assert client.invoke(frame)["predictions"] == iris.classes[:9]


def test_invoke_with_a_frame_in_another_order(client: ScoringServerClient, iris: Iris) -> None:
    frame = pd.DataFrame(iris.rows[:9], columns=list(COLUMNS))[[*reversed(COLUMNS)]]
    assert client.invoke(frame)["predictions"] == iris.classes[:9]


def test_invoke_with_an_array_and_a_list(client: ScoringServerClient, iris: Iris) -> None:
    assert client.invoke(np.array(iris.rows[:3]))["predictions"] == iris.classes[:3]
    assert client.invoke(iris.rows[:3])["predictions"] == iris.classes[:3]


def test_predictions_as_a_frame(client: ScoringServerClient, iris: Iris) -> None:
    found = client.invoke(iris.rows[:3]).get_predictions()
    assert found.to_numpy().ravel().tolist() == iris.classes[:3]


def test_a_refusal_is_told(client: ScoringServerClient) -> None:
    with pytest.raises(Exception, match=r"error code 422.*petal_width"):
        client.invoke(pd.DataFrame([[1.0, 2.0, 3.0]], columns=list(COLUMNS[:3])))


def test_bodies_of_the_documentation(server: RunningServer, iris: Iris) -> None:
    """https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/ : Inference Server."""
    rows = iris.rows[:2]
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    lists = {name: [row[index] for row in rows] for index, name in enumerate(COLUMNS)}
    bodies: list[Any] = [
        {"dataframe_split": {"columns": list(COLUMNS), "index": [0, 1], "data": rows}},
        {"dataframe_split": {"columns": list(COLUMNS), "data": rows}},
        {"dataframe_records": records},
        {"instances": rows},
        {"instances": records},
        {"inputs": rows},
        {"inputs": lists},
        {"dataframe_split": {"columns": list(COLUMNS), "data": rows}, "params": {}},
    ]
    for body in bodies:
        answer = server.post("/invocations", body)
        assert answer.status == 200, (body, answer.body)
        assert answer.json()["predictions"] == iris.classes[:2]
    typed = {"Content-Type": "application/json; charset=utf-8"}
    assert server.post("/invocations", bodies[0], typed).status == 200


def test_csv(server: RunningServer, iris: Iris) -> None:
    text = pd.DataFrame(iris.rows[:6], columns=list(COLUMNS)).to_csv(index=False)
    for media_type in ("text/csv", "text/csv; charset=utf-8"):
        answer = server.post("/invocations", text.encode(), {"Content-Type": media_type})
        assert (answer.status, answer.json()["predictions"]) == (200, iris.classes[:6])


def test_the_example_that_mlflow_saved_with_the_model(server: RunningServer, iris: Iris) -> None:
    body = json.loads(Path(iris.folder, "serving_input_example.json").read_text())
    assert server.post("/invocations", body).status == 200


def test_health_and_unknown_type(server: RunningServer) -> None:
    assert server.get("/health").status == 200
    answer = server.post("/invocations", b"<xml/>", {"Content-Type": "application/xml"})
    assert answer.status == 415
