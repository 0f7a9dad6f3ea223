"""A real server whose model takes a list of objects, and params: all routes, events, documents."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest
from jsonschema import Draft202012Validator
from mlflow.models import ModelSignature
from mlflow.types.schema import Array, ColSpec, Object, ParamSchema, ParamSpec, Property, Schema
from serving_image.tests.process.event_log import events, read
from serving_image.tests.support.scored import Told
from serving_image.tests.support.server import RunningServer, running_server

HI = {"role": "user", "content": "hi"}
ROLE = {"name": "role", "type": "string", "enum": ["user", "system"]}
MESSAGES = {
    "name": "messages", "type": "array",
    "items": {"type": "object", "properties": [ROLE, {"name": "content", "type": "string"}]},
}  # fmt: skip
PARAMS = [
    {"name": "k", "type": "integer", "default": 3, "minimum": 1},
    {"name": "temperature", "type": "double", "default": 0.5, "nullable": True},
]
BASE = "/v1/chat"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """The model, which answers what it got, and the folder of its events."""
    folder = tmp_path_factory.mktemp("chat")
    message = Object([Property("role", "string"), Property("content", "string")])
    signature = ModelSignature(
        Schema([ColSpec(Array(message), "messages"), ColSpec("string", "user", required=False)]),
        params=ParamSchema([ParamSpec("k", "integer", 3), ParamSpec("temperature", "double", 0.5)]),
    )
    mlflow.pyfunc.save_model(
        folder / "m", python_model=Told(), signature=signature, pip_requirements=[]
    )
    columns = [MESSAGES, {"name": "user", "type": "string", "required": False}]
    log = {"predictions": {"redact": {"user": "hash", "temperature": "hash"}}}
    config = {
        "name": "chat",
        "models": [{"name": "chat", "path": str(folder / "m")}],
        "trust": {"pickle": True},
        "input": {"columns": columns, "example": [{"messages": [HI]}]},
        "params": PARAMS,
        "events": events(folder / "events", "predictions") | log,
        "metrics": {"drift": True},
        "batching": {},
    }
    home = {"PYTHONPATH": str(Path(__file__).parents[3])}  # the model's class is imported there
    with running_server(config, folder, environment=home) as running:
        yield running, folder / "events"


def told(k: int, temperature: float | None = 0.5, **row: Any) -> str:
    params = {"k": k, "temperature": temperature}
    return json.dumps({"messages": [HI], "params": params} | row, sort_keys=True)


def test_every_route_takes_params(server: tuple[RunningServer, Path]) -> None:
    running, _ = server
    record = {"messages": [HI]}
    params = {"k": 5, "temperature": None}
    for body in (
        {"inputs": record, "params": params},
        {"instances": [record], "params": params},
        {"dataframe_records": [record], "params": params},
        {"dataframe_split": {"columns": ["messages"], "data": [[[HI]]]}, "params": params},
        record | params,
    ):
        for path in (f"{BASE}/predict", f"{BASE}/batch", "/invocations", "/v1/models/chat:predict"):
            answer = running.post(path, body)
            assert answer.status == 200, (path, body, answer.body)
            predictions = answer.json()
            if "messages" not in body or path.startswith(BASE):
                predictions = predictions["predictions"]  # MLflow does not wrap a chat's answer.
            assert predictions == [told(5, None)], (path, body)
    assert running.post(f"{BASE}/predict", [record]).json()["predictions"] == [told(3)]
    tensors = {"inputs": [{"name": "messages", "shape": [1], "datatype": "BYTES", "data": ['[{"role": "user", "content": "hi"}]']}]}  # fmt: skip
    parameters = {"k": 7, "binary_data_output": False, "other": "x"}
    answer = running.post("/v2/models/chat/infer", tensors | {"parameters": parameters})
    assert answer.json()["outputs"][0]["data"] == [told(7)]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"inputs": {"messages": [HI | {"role": "robot"}]}}, "not_allowed", "messages[0].role"),
        ({"inputs": {"messages": [HI]}, "params": {"k": 0}}, "out_of_range", "params.k"),
        ({"inputs": {"messages": [HI]}, "params": {"q": 0}}, "unknown_param", "params.q"),
        ({"inputs": {"messages": [HI]}, "params": "k"}, "wrong_type", "params"),
        ({"messages": [HI], "k": "x"}, "wrong_type", "params.k"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    server: tuple[RunningServer, Path], body: Any, code: str, field: str
) -> None:
    for path in (f"{BASE}/predict", f"{BASE}/batch", "/invocations"):
        answer = server[0].post(path, body)
        error = answer.json()["error"]
        if error["code"] == "no_good_row":
            error = answer.json()["errors"][0]
        assert (answer.status, error["code"], error["field"]) == (422, code, field), path
    tensors = {"inputs": [{"name": "messages", "shape": [1], "datatype": "BYTES", "data": ["[]"]}]}
    asked = server[0].post("/v2/models/chat/infer", tensors | {"parameters": {"k": "x"}})
    assert (asked.status, asked.json()["code"]) == (422, "wrong_type")


def test_events_have_the_params_and_redact_by_column(server: tuple[RunningServer, Path]) -> None:
    running, log = server
    headers = {"X-Request-Id": "with-params"}
    body = {"inputs": {"messages": [HI], "user": "jo"}, "params": {"k": 9}}
    assert running.post(f"{BASE}/predict", body, headers).status == 200
    assert running.post(f"{BASE}/predict", [[[HI], None]], {"X-Request-Id": "by-position"}).status == 200  # fmt: skip
    time.sleep(0.3)  # events are written every 20 ms, or 50 on a busy machine
    found = {event["id"]: event["data"] for event in read(log)}
    data = found["with-params"]
    assert data["params"].keys() == {"k", "temperature"}
    assert data["params"]["k"] == 9
    assert len(data["params"]["temperature"]) == 64
    assert data["redacted"] == ["temperature", "user"]
    assert data["inputs"][0][0] == [HI]
    assert len(data["inputs"][0][1]) == 64
    assert found["by-position"]["params"] == data["params"] | {"k": 3}


def test_the_document_takes_what_the_server_takes(server: tuple[RunningServer, Path]) -> None:
    document = server[0].get(f"{BASE}/openapi.json").json()
    schema = {"$ref": "#/components/schemas/Body", "components": document["components"]}
    body = Draft202012Validator(schema)
    record = {"messages": [HI]}
    for good in (
        {"inputs": record, "params": {"k": 5}},
        record | {"k": 5},
        [record],
        {"dataframe_records": [record], "params": {}},
    ):
        assert body.is_valid(good), good
        assert server[0].post(f"{BASE}/predict", good).status == 200, good
    for bad in (
        {"inputs": {"messages": [{"role": "user"}]}},
        {"inputs": record, "params": {"q": 1}},
        {"inputs": record, "params": {"k": 0}},
        {"inputs": {"messages": [HI | {"z": 1}]}},
    ):
        assert not body.is_valid(bad), bad
        assert server[0].post(f"{BASE}/predict", bad).status == 422, bad
    post = document["paths"][f"{BASE}/predict"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        assert body.is_valid(example["value"]), example
        assert server[0].post(f"{BASE}/predict", example["value"]).status == 200, example


def test_drift_counts_no_column_that_holds_others(server: tuple[RunningServer, Path]) -> None:
    exposed = server[0].get("/metrics").body.decode()
    assert 'column="user"' in exposed
    assert 'column="messages"' not in exposed
