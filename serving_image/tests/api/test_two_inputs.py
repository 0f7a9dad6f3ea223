"""A graph with two inputs that nothing but itself describes, through all routes of a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from onnx import TensorProto, helper
from serving_image.tests.process.event_log import events, read
from serving_image.tests.process.load import wait_until
from serving_image.tests.support.server import RunningServer, running_server

ROWS = [{"a": [1.0, 2.0], "b": [[10.0, 20.0]]}, {"a": [3.0, 4.0], "b": [[30.0, 40.0]]}]
LISTS = {"a": [[1, 2], [3, 4]], "b": [[[10, 20]], [[30, 40]]]}
SUMS = [[11.0, 22.0], [33.0, 44.0]]
INFER = "/v2/models/adder/infer"


def adder() -> bytes:
    """A graph that adds a[n, k] and b[n, 1, k]."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        [
            helper.make_node("Squeeze", ["b", "axes"], ["flat"]),
            helper.make_node("Add", ["a", "flat"], ["sum"]),
        ],
        "adder",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", "k"]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 1, "k"]),
        ],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", "k"])],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    folder = tmp_path_factory.mktemp("adder")
    (folder / "adder.onnx").write_bytes(adder())
    config = {
        "name": "adder",
        "models": [{"name": "adder", "path": str(folder / "adder.onnx")}],
        "input": {"example": {"inputs": LISTS}},
        "batching": {},
        "events": events(folder / "events", "predictions"),
    }
    with running_server(config, folder) as server:
        yield server, folder / "events"


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name, "datatype": "FP32", "shape": list(np.shape([row[name] for row in rows])),
            "data": [row[name] for row in rows],
        }
        for name in ("b", "a")
    ]  # fmt: skip


def test_every_route_adds(served: tuple[RunningServer, Path]) -> None:
    server, _ = served
    by_name = {"/invocations": {"sum": SUMS}}  # as mlflow.onnx
    for path in ("/v1/adder/predict", "/invocations", "/v1/models/adder:predict"):
        for body in (ROWS, {"instances": ROWS}, {"inputs": LISTS}, LISTS):
            answer = server.post(path, body)
            expected = by_name.get(path, SUMS)
            assert (answer.status, answer.json()["predictions"]) == (200, expected), (path, body)
    (output,) = server.post(INFER, {"inputs": tensors(ROWS)}).json()["outputs"]
    assert (output["name"], output["shape"], output["data"]) == ("sum", [2, 2], [11, 22, 33, 44])


def test_tritons_client_sends_them_in_binary(served: tuple[RunningServer, Path]) -> None:
    inputs = []
    for given in tensors(ROWS):
        data = np.array(given["data"], np.float32)
        one = triton.InferInput(given["name"], given["shape"], "FP32")
        inputs.append(one.set_data_from_numpy(data, binary_data=True))
    with triton.InferenceServerClient(served[0].address) as client:
        result = client.infer("adder", inputs)
    assert result.as_numpy("sum").tolist() == SUMS


def test_the_events_hold_rows_as_objects(served: tuple[RunningServer, Path]) -> None:
    server, folder = served
    told = server.post("/v1/adder/predict", ROWS).json()
    wait_until(lambda: any(event["id"] == told["id"] for event in read(folder, "predictions")))
    (event,) = [event for event in read(folder, "predictions") if event["id"] == told["id"]]
    assert event["data"]["inputs"] == ROWS
    assert event["data"]["outputs"] == SUMS


def test_a_bad_row_of_a_batch_fails_alone(served: tuple[RunningServer, Path]) -> None:
    bad = [ROWS[0], {"a": [1, "2"], "b": [[1, 2]]}, {"a": [1, 2]}, ROWS[1]]
    told = served[0].post("/v1/adder/batch", bad).json()
    assert told["predictions"] == [SUMS[0], None, None, SUMS[1]]
    assert [(e["row"], e["code"], e["field"]) for e in told["errors"]] == [
        (1, "wrong_type", "a"), (2, "missing_column", "b"),
    ]  # fmt: skip


def test_rows_of_a_batch_may_differ_in_an_axis(served: tuple[RunningServer, Path]) -> None:
    longer = {"a": [1, 2, 3], "b": [[10, 20, 30]]}
    told = served[0].post("/v1/adder/batch", [ROWS[0], longer, longer, ROWS[1]]).json()
    assert told["predictions"] == [SUMS[0], [11, 22, 33], [11, 22, 33], SUMS[1]]
    answer = served[0].post("/v1/adder/predict", [ROWS[0], longer])
    assert (answer.status, answer.json()["error"]["code"]) == (422, "wrong_shape")


def test_requests_that_share_a_call_get_their_own_rows(served: tuple[RunningServer, Path]) -> None:
    server, _ = served
    wrong: list[Any] = []

    def ask(offset: int) -> None:
        for at in range(25):
            rows = [{"a": [offset, at], "b": [[1, 1]]}] * (1 + at % 3)
            found = server.post("/v1/adder/predict", rows).json()["predictions"]
            if found != [[offset + 1, at + 1]] * len(rows):
                wrong.append((rows, found))

    threads = [threading.Thread(target=ask, args=(100 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_describes_it(served: tuple[RunningServer, Path]) -> None:
    server, _ = served
    metadata = server.get("/v2/models/adder").json()
    assert metadata["inputs"] == [
        {"name": "a", "datatype": "FP32", "shape": [-1, -1]},
        {"name": "b", "datatype": "FP32", "shape": [-1, 1, -1]},
    ]
    assert metadata["outputs"] == [{"name": "sum", "datatype": "FP32", "shape": [-1, 2]}]
    document = server.get("/openapi.json").json()
    assert set(document["components"]["schemas"]["Record"]["properties"]) == {"a", "b"}
    content = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    example = content["application/json"]["examples"]["example"]["value"]
    assert server.post(INFER, example).status == 200
    predict = document["paths"]["/v1/adder/predict"]["post"]["requestBody"]["content"]
    for shown in predict["application/json"]["examples"].values():
        assert server.post("/v1/adder/predict", shown["value"]).status == 200


def test_errors_name_the_tensor(served: tuple[RunningServer, Path]) -> None:
    error = served[0].post("/v1/adder/predict", [{"a": [1, 2], "b": [[1, 1e39]]}]).json()["error"]
    assert (error["code"], error["field"]) == ("out_of_range", "b")
    answer = served[0].post(INFER, {"inputs": tensors(ROWS)[:1]})
    assert (answer.status, answer.json()["code"]) == (422, "missing_column")
