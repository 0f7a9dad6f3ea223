"""The real server while its model works."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from serving_image.tests.api.owned_model import SLOW, own_iris
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import running_server


def test_probes_are_answered_while_a_model_takes_its_time(iris: Iris, tmp_path: Path) -> None:
    config = own_iris(iris, tmp_path, SLOW)
    with running_server(config, tmp_path) as server:
        answers: list[int] = []
        body = [[97.0, 1.0, 1.0, 1.0]]  # 0.7 seconds
        asking = threading.Thread(
            target=lambda: answers.append(server.post("/v1/iris/predict", body).status)
        )
        asking.start()
        time.sleep(0.1)
        probes = 0
        while asking.is_alive() and probes < 20:
            assert server.get("/livez").status == 200
            assert server.get("/readyz").status == 200
            probes += 1
        asking.join()
        assert answers == [200]
        assert probes == 20


def test_a_time_limit_is_kept_while_a_model_takes_its_time(iris: Iris, tmp_path: Path) -> None:
    config = own_iris(iris, tmp_path, SLOW) | {"limits": {"timeoutSeconds": 0.3}}
    with running_server(config, tmp_path) as server:
        answer = server.post("/v1/iris/predict", [[97.0, 1.0, 1.0, 1.0]])
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["code"] == "timeout"
        time.sleep(0.5)
        assert server.post("/v1/iris/predict", [iris.rows[0]]).status == 200
        assert server.post("/v1/iris/predict", [iris.rows[1]]).json()["predictions"] == [1]
