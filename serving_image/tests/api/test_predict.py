"""Predict, batch and feedback, request ids, and what is logged of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.http.caller import Caller, post
from serving_image.tests.process.event_log import events, read
from serving_image.tests.process.load import wait_until
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer, running_server

Logged = tuple[RunningServer, Path]
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def logged_event(folder: Path, kind: str, id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = [event for event in read(folder, kind) if event["id"] == id]
        return bool(found)

    wait_until(is_there)
    assert len(found) == 1
    return found[0]


def test_an_answer_says_who_made_it(logged: Logged, iris: Iris) -> None:
    server, folder = logged
    answer = server.post("/v1/iris/predict", iris.rows[:6])
    told = answer.json()
    assert told["predictions"] == iris.classes[:6]
    assert (told["model"], told["version"]) == ("iris", "7")
    assert told["id"] == answer.headers["x-request-id"]
    event = logged_event(folder, "predictions", told["id"])
    assert event["data"]["inputs"] == iris.rows[:6]
    assert event["data"]["outputs"] == iris.classes[:6]
    assert event["data"]["endpoint"] == "/v1/iris/predict"


def test_every_protocol_gives_the_same_predictions(logged: Logged, iris: Iris) -> None:
    server, folder = logged
    rows = iris.rows[:9]
    tensor = {"name": "x", "shape": [9, 4], "datatype": "FP64", "data": rows}
    scored = server.post("/invocations", {"inputs": rows})
    infer = server.post("/v2/models/iris/infer", {"inputs": [tensor]})
    versioned = server.post("/v2/models/iris/versions/7/infer", {"inputs": [tensor]})
    left_out = {"id": None, "parameters": None, "outputs": None}
    nulls = {"inputs": [tensor | {"parameters": None}]} | left_out
    with_nulls = server.post("/v2/models/iris/infer", nulls)
    lines = "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)])
    csv = server.post("/invocations", lines.encode(), {"Content-Type": "text/csv"})
    assert scored.json() == {"predictions": iris.classes[:9]} == csv.json()
    assert infer.json()["outputs"][0]["data"] == iris.classes[:9]
    assert versioned.json()["outputs"] == infer.json()["outputs"] == with_nulls.json()["outputs"]
    for answer in (scored, infer, csv):
        data = logged_event(folder, "predictions", answer.headers["x-request-id"])["data"]
        assert (data["inputs"], data["outputs"]) == (rows, iris.classes[:9])


@pytest.mark.parametrize("given", ["caller-id-1", "x" * 128, "8letters", "a/b:c=d;e,f{}~!"])
def test_an_id_that_is_fit_is_kept(logged: Logged, iris: Iris, given: str) -> None:
    answer = logged[0].post("/v1/iris/predict", [iris.rows[0]], {"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.json()["id"] == given


@pytest.mark.parametrize(
    "given", [b"", b"short", b"x" * 129, b'say "hello"', b"back\\slash", b"with space", b"\xe4" * 9]
)
def test_an_id_that_is_unfit_is_replaced(logged: Logged, iris: Iris, given: bytes) -> None:
    data = post([iris.rows[0]]).replace(b"host: test", b"x-request-id: " + given)
    with Caller(logged[0].port) as caller:
        answer = caller.ask(data)
    assert UUID4.fullmatch(answer.headers["x-request-id"])
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_ids_that_are_made_are_not_made_twice(logged: Logged, iris: Iris) -> None:
    with Caller(logged[0].port) as caller:
        ids = {caller.ask(post([iris.rows[0]])).headers["x-request-id"] for _ in range(2000)}
    assert len(ids) == 2000
    assert all(map(UUID4.fullmatch, ids))


def test_the_trace_of_the_caller_is_logged(logged: Logged, iris: Iris) -> None:
    server, folder = logged
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = server.post("/v1/iris/predict", [iris.rows[0]], {"traceparent": trace})
    event = logged_event(folder, "predictions", answer.headers["x-request-id"])
    assert event["traceparent"] == trace


def test_too_many_rows(logged: Logged, iris: Iris) -> None:
    for path in ("predict", "batch"):
        answer = logged[0].post(f"/v1/iris/{path}", [iris.rows[0]] * 2001)
        assert (answer.status, answer.json()["error"]["code"]) == (413, "too_many_rows")


def test_bad_rows_of_a_batch_are_told_by_their_index(logged: Logged, iris: Iris) -> None:
    server, folder = logged
    rows: list[Any] = [*iris.rows[:2], [1, 2, 3], iris.rows[2], [1, 2, "x", 4], {"a": 1}, None]
    rows += [dict(zip(COLUMNS, iris.rows[3], strict=True)), [1, 2, 3, 1000]]
    answer = server.post("/v1/iris/batch", {"data": rows})
    told = answer.json()
    assert answer.status == 200
    a, b, c, d = iris.classes[:4]
    assert told["predictions"] == [a, b, None, c, None, None, None, d, None]
    assert [(e["row"], e["code"], e.get("field")) for e in told["errors"]] == [
        (2, "wrong_length", None), (4, "wrong_type", "petal_length"),
        (5, "missing_column", "sepal_length"), (6, "null_value", None),
        (8, "out_of_range", "petal_width"),
    ]  # fmt: skip
    assert all("row 0" not in error["message"] for error in told["errors"])
    data = logged_event(folder, "predictions", told["id"])["data"]
    assert data["inputs"] == iris.rows[:4]
    assert data["outputs"] == [a, b, c, d]


def test_a_batch_of_bad_rows_only(logged: Logged) -> None:
    answer = logged[0].post("/v1/iris/batch", [[1], [2]])
    told = answer.json()
    assert (answer.status, told["error"]["code"]) == (422, "no_good_row")
    assert [error["row"] for error in told["errors"]] == [0, 1]


def test_a_large_batch_goes_in_parts(logged: Logged, iris: Iris) -> None:
    """With so many bad rows that looking for each among the others would take seconds."""
    server, _ = logged
    rows = [iris.rows[at % 150] if at % 2 else [1] for at in range(2000)]
    told = server.post("/v1/iris/batch", rows).json()
    assert told["predictions"] == [iris.classes[at % 150] if at % 2 else None for at in range(2000)]
    assert len(told["errors"]) == 1000
    page = server.get("/metrics").body.decode()
    (line,) = [
        x
        for x in page.splitlines()
        if x.startswith("servestack_batch_size_bucket") and 'le="256.0"' in x
    ]
    (every,) = [x for x in page.splitlines() if x.startswith("servestack_batch_size_count")]
    assert line.rpartition(" ")[2] == every.rpartition(" ")[2]


def test_feedback_is_joined_by_the_predictions_id(logged: Logged, iris: Iris) -> None:
    server, folder = logged
    id = server.post("/v1/iris/predict", [iris.rows[0]]).json()["id"]
    answer = server.post("/v1/iris/feedback", {"id": id, "feedback": {"species": "setosa"}})
    assert (answer.status, answer.json()) == (202, {"id": id})
    event = logged_event(folder, "feedback", id)
    assert event["data"]["feedback"] == {"species": "setosa"}


@pytest.mark.parametrize(
    "body", [{}, [], {"id": "short", "feedback": 1}, {"id": "long-enough"}, {"id": 12345678, "feedback": 1},
             {"id": "long-enough", "feedback": 1, "more": 2}, {"id": "x" * 129, "feedback": 1}],
)  # fmt: skip
def test_feedback_of_another_form(logged: Logged, body: Any) -> None:
    answer = logged[0].post("/v1/iris/feedback", body)
    assert (answer.status, answer.json()["error"]["code"]) == (422, "invalid_feedback")


def test_without_feedback_in_the_spec_there_is_no_route(iris: Iris, tmp_path: Path) -> None:
    with running_server(iris.config(events=events(tmp_path / "events")), tmp_path) as server:
        assert server.post("/v1/iris/feedback", {"id": "x" * 8, "feedback": 1}).status == 404


def test_errors_with_status_200(iris: Iris, tmp_path: Path) -> None:
    """The real status is in the body, in the metrics and in the access log."""
    log = tmp_path / "events"
    config = iris.config(errorStyle="ok200", events=events(log, "access", "feedback"))
    cases: list[tuple[str, Any, int]] = [
        ("/v1/iris/predict", [[1, 2, 3]], 422),
        ("/v1/iris/predict", b"{", 400),
        ("/v1/iris/predict", [iris.rows[0]] * 10_001, 413),
        ("/v1/iris/batch", [[1]], 422),
        ("/v1/iris/feedback", {}, 422),
    ]
    with running_server(config, tmp_path) as server:
        for path, body, status in cases:
            answer = server.post(path, body, {"Content-Type": "application/json"})
            assert (answer.status, answer.json()["error"]["status"]) == (200, status)
        assert server.post("/invocations", [[1, 2, 3]]).status == 422
        assert server.post("/v2/models/iris/infer", {}).status == 422
        assert server.get("/nothing").status == 404
        page = server.get("/metrics").body.decode()
        for path, _, status in cases:
            assert re.search(rf'endpoint="{path}",[^\n]*http_response_code="{status}"', page) or (
                re.search(rf'http_response_code="{status}",[^\n]*endpoint="{path}"', page)
            )
        assert not re.search(r'endpoint="/v1/[^\n]*http_response_code="200"', page)
        assert server.stop() == 0
    statuses = [
        e["data"]["status"] for e in read(log, "access") if e["data"]["endpoint"].startswith("/v1")
    ]
    assert sorted(statuses) == sorted(status for _, _, status in cases)


def test_a_full_log_makes_it_unready_where_the_spec_says_so(iris: Iris, tmp_path: Path) -> None:
    """Nobody ships: the registry is there and stays empty."""
    log, registry = tmp_path / "events", tmp_path / "registry"
    registry.mkdir()
    section = events(
        log,
        whenFull="unready",
        diskBudgetBytes=8 << 20,
        maxEventBytes=64 << 10,
        registry=str(registry),
    )
    body = json.dumps([iris.rows[0]] * 600).encode()
    with running_server(iris.config(events=section), tmp_path) as server:
        refused = None
        with Caller(server.port) as caller:
            for _ in range(3000):
                answer = caller.ask(post(body))
                if answer.status != 200:
                    refused = answer
                    break
        assert refused is not None
        assert (refused.status, refused.json()["error"]["code"]) == (503, "log_full")
        assert refused.headers["retry-after"] == "5"
        ready = server.get("/readyz")
        assert (ready.status, ready.body) == (503, b"the event log is full\n")
        assert server.get("/livez").status == 200
        assert server.post("/v1/iris/batch", [iris.rows[0]]).status == 503
        page = server.get("/metrics").body.decode()
        dropped = [x for x in page.splitlines() if x.startswith("servestack_events_dropped_total{")]
        assert not any(float(line.rpartition(" ")[2]) for line in dropped)


def test_values_outside_of_their_range_are_counted(iris: Iris, tmp_path: Path) -> None:
    given = iris.config()["input"]
    given["columns"][3] |= {"nullable": True}
    config = iris.config(metrics={"drift": True}, input=given)
    with running_server(config, tmp_path) as server:
        for _ in range(5):
            server.post("/v1/iris/predict", iris.rows[:10])
        server.post("/v1/iris/predict", [[1, 1, 101, 1]])
        server.post("/v1/iris/predict", [[1, 1, 1, None]])  # The model refuses it: not seen.
        page = server.get("/metrics").body.decode()

    def count(name: str, column: str) -> float:
        return sum(
            float(line.rpartition(" ")[2])
            for line in page.splitlines()
            if line.startswith(name + "{") and f'column="{column}"' in line
        )

    for column in COLUMNS:
        assert count("servestack_input_values_total", column) == 50
    assert count("servestack_input_out_of_range_total", "petal_length") == 1
    assert count("servestack_input_out_of_range_total", "sepal_length") == 0


def test_parameters_of_a_v2_request_come_back(logged: Logged, iris: Iris) -> None:
    own = {"trace": "a b", "n": 2**60, "f": 1.3, "yes": True, "list": [{}]}
    encoding = {"content_type": "np", "headers": {"a": "b"}}
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": iris.rows[0]}
    asked = {"parameters": own | encoding, "inputs": [tensor | {"parameters": own | encoding}]}
    told = logged[0].post("/v2/models/iris/infer", asked).json()
    assert told["parameters"] == told["outputs"][0]["parameters"] == own
    asked["outputs"] = [{"name": "predictions", "parameters": {"binary_data": True}}]
    answer = logged[0].post("/v2/models/iris/infer", asked)
    length = int(answer.headers["inference-header-content-length"])
    binary = json.loads(answer.body[:length])["outputs"][0]["parameters"]
    assert binary == own | {"binary_data_size": len(answer.body) - length}
    for nothing in ({}, None, encoding):
        left: Any = {"parameters": nothing, "inputs": [tensor | {"parameters": nothing}]}
        told = logged[0].post("/v2/models/iris/infer", left).json()
        assert "parameters" not in told.keys() | told["outputs"][0].keys()


def test_v1_answers_an_empty_list_with_an_empty_list(logged: Logged) -> None:
    server, folder = logged
    empty: Any
    not_rows: Any
    for empty in ({"instances": []}, {"inputs": []}, {"instances": [], "signature_name": "x"}):
        answer = server.post("/v1/models/iris:predict", empty)
        assert (answer.status, answer.json()) == (200, {"predictions": []})
    data = logged_event(folder, "predictions", answer.headers["x-request-id"])["data"]
    assert (data["inputs"], data["outputs"], data["version"]) == ([], [], "7")
    for path in ("/invocations", "/v1/iris/predict", "/v1/iris/batch"):
        refusal = server.post(path, {"instances": []})
        assert (refusal.status, refusal.json()["error"]["code"]) == (422, "no_rows")
    for not_rows in ({}, {"rows": []}, {"instances": None}, {"instances": {}}):
        assert server.post("/v1/models/iris:predict", not_rows).status == 422, not_rows
