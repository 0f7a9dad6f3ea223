"""Several models in one service, with and without a graph."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.http.caller import Caller, post
from serving_image.tests.process.event_log import events, read
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack_contract.assignment import unit_of

Places = list[dict[str, Any]]
VERSIONS = {"sk": "1", "xgb": "2", "lgb": "3"}


@contextmanager
def serving(
    iris: Iris, folder: Path, places: Places, graph: Any, **settings: Any
) -> Iterator[RunningServer]:
    config = iris.config(models=places, batching={}, **settings)
    if graph is not None:
        config["graph"] = graph
    with running_server(config, folder, versions=VERSIONS) as server:
        yield server


def test_models_side_by_side(iris: Iris, three: Places, tmp_path: Path) -> None:
    with serving(iris, tmp_path, three, None) as server:
        for name, version in VERSIONS.items():
            told = server.post(f"/v1/iris/{name}/predict", iris.rows[:9]).json()
            assert (told["model"], told["version"]) == (name, version)
            assert len(told["predictions"]) == 9
            assert server.get(f"/v2/models/{name}/versions/{version}").json()["name"] == name
            assert server.post(f"/v1/iris/{name}/batch", iris.rows[:2]).status == 200
        assert server.post("/v1/iris/predict", iris.rows[:1]).status == 404
        assert server.get("/v2/models").json() == {"models": list(VERSIONS)}


def test_three_frameworks_in_one_answer(iris: Iris, three: Places, tmp_path: Path) -> None:
    graph = {"kind": "ensemble", "nodes": ["sk", "xgb", "lgb"], "combine": "object"}
    log = tmp_path / "events"
    with serving(iris, tmp_path, three, graph, events=events(log)) as server:
        answer = server.post("/v1/iris/predict", iris.rows)
        alone = {
            name: server.post(f"/v1/iris/{name}/predict", iris.rows).json()["predictions"]
            for name in VERSIONS
        }
        told = answer.json()
        assert (told["model"], told["version"]) == ("sk,xgb,lgb", "1,2,3")
        assert told["predictions"] == [
            {name: alone[name][at] for name in VERSIONS} for at in range(len(iris.rows))
        ]
        assert alone["sk"] == iris.classes
        batch = server.post("/v1/iris/batch", [*iris.rows[:2], [1]]).json()
        assert batch["predictions"] == [*told["predictions"][:2], None]
        tensor = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": iris.rows[:2]}
        inferred = server.post("/v2/models/iris/infer", {"inputs": [tensor]}).json()
        assert json.loads(inferred["outputs"][0]["data"][0]) == told["predictions"][0]
        assert server.stop() == 0
    (event,) = [e for e in read(log) if e["id"] == told["id"]]
    assert event["data"]["outputs"] == told["predictions"]


@pytest.mark.parametrize("combine", ["mean", "median", "vote"])
def test_answers_are_combined(iris: Iris, three: Places, tmp_path: Path, combine: str) -> None:
    graph = {"kind": "ensemble", "nodes": ["sk", "xgb", "lgb"], "combine": combine}
    with serving(iris, tmp_path, three, graph) as server:
        told = server.post("/v1/iris/predict", iris.rows).json()["predictions"]
        alone = [
            server.post(f"/v1/iris/{name}/predict", iris.rows).json()["predictions"]
            for name in VERSIONS
        ]
    for got, given in zip(told, zip(*alone, strict=True), strict=True):
        if combine == "mean":
            assert got == pytest.approx(sum(given) / 3)
        elif combine == "median":
            assert got == sorted(given)[1]
        else:
            assert got == Counter(given).most_common(1)[0][0]


def test_events_name_the_branch_and_the_unit_and_never_the_key(
    iris: Iris, three: Places, tmp_path: Path
) -> None:
    """With a sample of the log too, in which there are requests of both branches."""
    chain = {"kind": "chain", "steps": ["xgb"]}
    graph = {
        "kind": "router", "column": COLUMNS[0], "cases": [{"equals": 7.75, "node": "lgb"}],
        "otherwise": {"kind": "split", "stickyBy": "X-User-Id", "branches": [
            {"node": "sk", "weight": 50}, {"node": chain, "weight": 50, "name": "new"}]},
    }  # fmt: skip
    log = tmp_path / "events"
    logged = events(log, kinds=["predictions", "access"], predictions={"unit": "X-User-Id"})
    users = [f"user-{number}" for number in range(40)]
    with serving(iris, tmp_path, three, graph, events=logged) as server:
        with Caller(server.port) as caller:
            models = {
                user: caller.ask(post(iris.rows[:1], f"x-user-id: {user}")).json()["model"]
                for user in users
            }
            direct = [[7.75, *iris.rows[0][1:]]]
            caller.ask(post(direct, "x-user-id: user-0"))
        assert server.stop() == 0
    for kind in ("predictions", "access"):
        found = [event["data"] for event in read(log, kind)]
        assert len(found) == 41
        assert sum("branch" not in data for data in found) == 1, "it never came to the split"
        by_unit = {data["unit"]: data["branch"] for data in found if "branch" in data}
        expected = {
            unit_of(user.encode()): "sk" if models[user] == "sk" else "new" for user in users
        }
        assert by_unit == expected
        assert set(by_unit.values()) == {"sk", "new"}
        assert "user-" not in json.dumps(found)


def test_the_unit_is_logged_of_a_service_without_a_split(iris: Iris, tmp_path: Path) -> None:
    """By a column, by a header, and by the request's id where neither is there."""
    column = COLUMNS[2]
    for name, header, key in (
        (column, "x: y", str(iris.rows[0][2])), ("X-User", "x-user: ana", "ana"), ("X-User", "x-request-id: request-7", "request-7"),
    ):  # fmt: skip
        log = tmp_path / f"events-{key}"
        logged = events(log, predictions={"unit": name})
        with running_server(iris.config(events=logged), tmp_path) as server:
            with Caller(server.port) as caller:
                assert caller.ask(post(iris.rows[:1], header)).status == 200
            assert server.stop() == 0
        (event,) = read(log)
        assert event["data"]["unit"] == unit_of(key.encode())
        assert "branch" not in event["data"]


def test_a_split_keeps_its_shares_and_its_keys(iris: Iris, three: Places, tmp_path: Path) -> None:
    graph = {
        "kind": "split", "stickyBy": "X-User-Id",
        "branches": [{"node": "sk", "weight": 70}, {"node": "xgb", "weight": 25},
                     {"node": "lgb", "weight": 5}],
    }  # fmt: skip
    with serving(iris, tmp_path, three, graph) as server, Caller(server.port) as caller:
        chosen: dict[int, str] = {}
        for start in range(0, 10_000, 50):
            part = range(start, start + 50)
            caller.send(b"".join(post(iris.rows[:1], f"x-user-id: user-{at}") for at in part))
            chosen |= {at: caller.answer().json()["model"] for at in part}
        counts = Counter(chosen.values())
        assert abs(counts["sk"] - 7000) < 200
        assert abs(counts["xgb"] - 2500) < 200
        assert abs(counts["lgb"] - 500) < 100
        for at in range(0, 10_000, 97):
            for _ in range(3):
                answer = caller.ask(post(iris.rows[:1], f"x-user-id: user-{at}"))
                assert answer.json()["model"] == chosen[at]
        # Without the header the request's own id decides: ids that are made count up by one.
        made = Counter(caller.ask(post(iris.rows[:1])).json()["model"] for _ in range(3000))
        assert abs(made["sk"] - 2100) < 150
        assert made["lgb"] > 50


def test_a_split_may_be_kept_by_a_column(iris: Iris, three: Places, tmp_path: Path) -> None:
    branches = [{"node": "sk", "weight": 50}, {"node": "xgb", "weight": 50}]
    graph = {"kind": "split", "stickyBy": "sepal_width", "branches": branches}
    with serving(iris, tmp_path, three[:2], graph) as server, Caller(server.port) as caller:
        seen: dict[float, set[str]] = {}
        for row in iris.rows:
            seen.setdefault(row[1], set()).add(caller.ask(post([row])).json()["model"])
    assert all(len(models) == 1 for models in seen.values())
    assert {"sk", "xgb"} == set().union(*seen.values())


def test_a_router_sends_each_row_its_way(iris: Iris, three: Places, tmp_path: Path) -> None:
    cases = [{"equals": 1, "node": "sk"}, {"equals": 2, "node": "xgb"}]
    node = {"kind": "router", "column": "sepal_width", "cases": cases, "otherwise": "lgb"}
    with serving(iris, tmp_path, three, node) as server:
        rows = [[*row[:1], at % 3 + 1, *row[2:]] for at, row in enumerate(iris.rows)]
        told = server.post("/v1/iris/predict", rows).json()
        ways = ["sk", "xgb", "lgb"]
        alone = {n: server.post(f"/v1/iris/{n}/predict", rows).json()["predictions"] for n in ways}
        assert told["predictions"] == [alone[ways[at % 3]][at] for at in range(len(rows))]
        assert sorted(told["model"].split(",")) == ["lgb", "sk", "xgb"]
        assert server.post("/v1/iris/predict", rows[:1]).json()["model"] == "sk"


def test_a_chain_hands_answers_on(iris: Iris, tmp_path: Path) -> None:
    """A model of the class that the first one has found."""
    import mlflow.sklearn
    import numpy as np
    from sklearn.linear_model import LinearRegression

    second = LinearRegression().fit(np.array([[0.0], [1.0], [2.0]]), [10.0, 20.0, 30.0])
    mlflow.sklearn.save_model(
        second, str(tmp_path / "second"), serialization_format="skops", pip_requirements=[]
    )
    places = [{"name": "sk", "path": str(iris.folder)},
              {"name": "second", "path": str(tmp_path / "second")}]  # fmt: skip
    graph = {"kind": "chain", "steps": ["sk", "second"]}
    with serving(iris, tmp_path, places, graph) as server:
        told = server.post("/v1/iris/predict", iris.rows[:6]).json()
        assert told["predictions"] == pytest.approx([10 * kind + 10 for kind in iris.classes[:6]])
        assert told["model"] == "sk,second"
        refused = server.post("/v1/iris/predict", [[1, 2, 3]])
        assert refused.json()["error"]["code"] == "wrong_length"


@pytest.mark.parametrize("algorithm", ["epsilonGreedy", "thompson"])
def test_rewards_move_a_bandit(iris: Iris, three: Places, tmp_path: Path, algorithm: str) -> None:
    graph = {"kind": "bandit", "arms": ["sk", "xgb"], "algorithm": algorithm, "epsilon": 0.1,
             "reward": "bought", "minimumPulls": 20}  # fmt: skip
    section = events(tmp_path / "events", "feedback")
    with (
        serving(iris, tmp_path, three[:2], graph, events=section) as server,
        Caller(server.port) as caller,
    ):

        def pull(good: str) -> str:
            told = caller.ask(post(iris.rows[:1])).json()
            reward = {"bought": 1 if told["model"] == good else 0}
            feedback = {"id": told["id"], "feedback": reward}
            assert caller.ask(post(feedback, path="/v1/iris/feedback")).status == 202
            # A second one for the same request counts for nothing.
            caller.ask(post(feedback | {"feedback": {"bought": 0}}, path="/v1/iris/feedback"))
            return str(told["model"])

        first = Counter(pull("xgb") for _ in range(40))
        assert first == {"sk": 20, "xgb": 20}
        then = Counter(pull("xgb") for _ in range(400))
    assert then["xgb"] > 330
    assert algorithm == "thompson" or then["sk"] > 2  # It still explores.


def test_a_graph_in_a_graph_with_a_model_that_refuses(
    iris: Iris, three: Places, tmp_path: Path
) -> None:
    inner = {"kind": "ensemble", "nodes": ["xgb", "lgb"], "combine": "mean"}
    graph = {"kind": "ensemble", "nodes": ["sk", inner], "combine": "object"}
    given = iris.config()["input"]
    for column in given["columns"]:
        column["nullable"] = True
    with serving(iris, tmp_path, three, graph, input=given) as server:
        told = server.post("/v1/iris/predict", iris.rows[:2]).json()["predictions"]
        assert [set(one) for one in told] == [{"sk", "ensemble1"}] * 2
        # xgboost and lightgbm take a gap, the support vectors do not.
        answer = server.post("/v1/iris/predict", [[None, 1, 1, 1]])
        assert (answer.status, answer.json()["error"]["code"]) == (422, "model_refused")
        assert server.post("/v1/iris/xgb/predict", [[None, 1, 1, 1]]).status == 200
