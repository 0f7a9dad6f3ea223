"""The owner's class behind the real server."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.api.owned_model import own_iris
from serving_image.tests.process.event_log import events, read
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import Answer, running_server

CODE = """
import time
import numpy as np

class Owner:
    def preprocess(self, rows):
        first = rows[0][0]
        if first == 90: raise ValueError("ninety is not a flower\\nsecret line")
        if first == 91: raise KeyError("secret")
        if first == 92: self.emit("seen", {"first": first})
        return rows

    def predict(self, inputs, model):
        time.sleep(0.05)  # So that requests gather.
        if any(row[0] == 93 for row in inputs): raise ValueError("ninety-three")
        if any(row[0] == 94 for row in inputs): raise AttributeError("secret")
        return model.predict(inputs)

    def postprocess(self, outputs):
        if len(outputs) == 2: return [np.float32(0.5), {"class": np.int64(1), "p": np.array([1, 2])}]
        if len(outputs) == 3: return [object()] * 3
        if len(outputs) == 4: return 5
        if len(outputs) == 5: raise ValueError("five is too many")
        if len(outputs) == 6: raise SystemExit(3)
        return outputs
"""


def test_each_request_gets_what_the_owners_code_says_of_it(iris: Iris, tmp_path: Path) -> None:
    log = tmp_path / "events"
    config = own_iris(iris, tmp_path, CODE) | {"batching": {}, "events": events(log, "custom")}
    good = iris.rows[0]

    def body(at: int) -> Any:
        return {1: [[90, 1, 1, 1]], 2: [[91, 1, 1, 1]], 3: [[92, 1, 1, 1]], 4: [[93, 1, 1, 1]],
                5: [[94, 1, 1, 1]], 6: [good] * 2, 7: [good] * 3, 8: [good] * 4,
                9: [good] * 5}.get(at, [good])  # fmt: skip

    answers: dict[int, Answer] = {}
    with running_server(config, tmp_path) as server:

        def ask(at: int) -> None:
            answers[at] = server.post("/v1/iris/predict", body(at))

        threads = [threading.Thread(target=ask, args=(at,)) for at in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.get("/livez").status == 200
        assert server.post("/v1/iris/predict", [good]).json()["predictions"] == [0]
        assert server.stop() == 0
    told = {at: (a.status, a.json().get("error", {}).get("code")) for at, a in answers.items()}
    assert told.pop(1) == (422, "refused")
    assert answers[1].json()["error"]["message"] == "ninety is not a flower"
    assert told.pop(2) == (500, "preprocess_failed")
    assert told.pop(4) == (422, "model_refused")
    assert told.pop(5) == (500, "model_failed")
    assert told.pop(7) == (500, "model_failed")
    assert told.pop(8) == (500, "model_failed")
    assert told.pop(9) == (422, "refused")
    assert set(told.values()) == {(200, None)}
    assert answers[6].json()["predictions"] == [0.5, {"class": 1, "p": [1, 2]}]
    assert all(b"secret" not in answer.body for answer in answers.values())
    (event,) = read(log, "custom")
    assert event["data"]["name"] == "seen"
    assert event["data"]["values"] == {"first": 92}


@pytest.mark.parametrize("path", ["/v1/iris/batch", "/invocations", "/v2/models/iris/infer"])
def test_answers_of_the_wrong_form_are_failures_on_all_routes(
    iris: Iris, tmp_path: Path, path: str
) -> None:
    rows = [iris.rows[0]] * 4
    tensor = {"name": "x", "shape": [4, 4], "datatype": "FP64", "data": rows}
    sent: Any = {"inputs": [tensor]} if "infer" in path else rows
    with running_server(own_iris(iris, tmp_path, CODE), tmp_path) as server:
        answer = server.post(path, sent)
        assert answer.status == 500, answer
        assert "model_failed" in json.dumps(answer.json())
        assert server.post("/v1/iris/predict", [iris.rows[0]]).status == 200
        assert server.post("/v1/iris/predict", [iris.rows[0]] * 6).status == 500  # SystemExit
        assert server.post("/v1/iris/predict", [iris.rows[0]]).status == 200


def test_a_row_that_the_model_refuses_fails_alone_in_a_batch(iris: Iris, tmp_path: Path) -> None:
    rows = [*iris.rows[:5], [93.0, 1.0, 1.0, 1.0], *iris.rows[5:9]]
    code = CODE.replace("len(outputs) ==", "len(outputs) == -")
    with running_server(own_iris(iris, tmp_path, code), tmp_path) as server:
        told = server.post("/v1/iris/batch", rows).json()
    assert told["predictions"] == [*iris.classes[:5], None, *iris.classes[5:9]]
    assert [(error["row"], error["code"]) for error in told["errors"]] == [(5, "model_refused")]
