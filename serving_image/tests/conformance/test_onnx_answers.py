"""ONNX classifiers on every route. mlflow.onnx, behind MLflow's own scoring server, is the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.scoring_server import ScoringServer
from serving_image.tests.support.server import RunningServer, running_server
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

Models = dict[str, Path]
_NAMES = np.array(["setosa", "versicolor", "virginica"])
_TABLE = ModelSignature(Schema([ColSpec("double", name) for name in COLUMNS]))
_TENSOR = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 4))]))
_SIGNATURES = {"table": _TABLE, "tensor": _TENSOR, "untyped": None}
_INPUTS: dict[str, dict[str, Any]] = {
    "table": {"columns": [{"name": name, "type": "double"} for name in COLUMNS]},
    "tensor": {"tensor": {"dtype": "float32", "shape": [-1, 4]}},
    "untyped": {},
}


@pytest.fixture(scope="module")
def saved(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Models]:
    """Classifiers with scores as mappings (`zipped`) and as a tensor, of numbers and of names."""
    rows, labels = np.array(iris.rows), np.array(iris.classes)
    of_numbers = LogisticRegression(max_iter=500).fit(rows, labels)
    of_names = LogisticRegression(max_iter=500).fit(rows, _NAMES[labels])

    graphs = {
        name: to_onnx(model, np.zeros((1, 4), np.float32), options={"zipmap": zipmap})
        for name, model, zipmap in (
            ("zipped", of_numbers, True), ("named", of_names, True), ("flat", of_numbers, False),
        )
    }  # fmt: skip

    @cache
    def save(signature: str) -> Models:
        folder, found = tmp_path_factory.mktemp(signature), {}
        for name, graph in graphs.items():
            found[name] = folder / name
            mlflow.onnx.save_model(
                graph, found[name], signature=_SIGNATURES[signature], pip_requirements=[]
            )
        return found

    return save


@pytest.fixture(scope="module", params=["table", "tensor", "untyped"])
def served(
    request: pytest.FixtureRequest, saved: Callable[[str], Models], iris: Iris,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningServer, Models, str]]:  # fmt: skip
    """A server of all three under one kind of signature."""
    kind: str = request.param
    models = saved(kind)
    config = {
        "name": "kinds",
        "models": [{"name": name, "path": str(folder)} for name, folder in models.items()],
        "input": _INPUTS[kind] | {"example": iris.rows[:2]},
        "batching": {},
    }
    with running_server(config, tmp_path_factory.mktemp("server")) as server:
        yield server, models, kind


def _bodies(kind: str, iris: Iris) -> list[dict[str, Any]]:
    rows = iris.rows[:3]
    split = {"dataframe_split": {"columns": list(COLUMNS), "data": rows}}
    by_column = {name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)}
    if kind == "untyped":
        return [split, {"inputs": rows}, {"instances": rows}]
    return [split, {"inputs": by_column}] if kind == "table" else [{"inputs": rows}]


@pytest.mark.parametrize("name", ["zipped", "named", "flat"])
def test_invocations_answers_all_outputs_as_mlflow_does(
    served: tuple[RunningServer, Models, str], iris: Iris, name: str
) -> None:
    server, models, kind = served
    scoring = ScoringServer(models[name])
    for body in _bodies(kind, iris):
        answer = server.post(f"/endpoints/{name}/invocations", body)
        assert answer.status == 200, answer.body
        found = answer.json()
        if name == "flat" and (kind == "table" or "dataframe_split" in body):
            # mlflow.onnx makes one column of the shares, which is longer than that of the labels.
            with pytest.raises(Exception, match="unexpected error while evaluating"):
                scoring.post(body)
            expected = ScoringServer(models["zipped"]).post(body)["predictions"]
            assert found["predictions"] == [
                {"label": row["output_label"], "probabilities": list(row["output_probability"].values())}
                for row in expected
            ]  # fmt: skip
        else:
            assert found == scoring.post(body)


def test_inference_answers_all_outputs_by_name(
    served: tuple[RunningServer, Models, str], iris: Iris
) -> None:
    server, _, _ = served
    rows = iris.rows[:3]
    asked = {"inputs": [{"name": "x", "shape": [3, 4], "datatype": "FP32", "data": rows}]}
    for name, label, shares, datatype in (
        ("zipped", "output_label", "output_probability", "INT64"),
        ("named", "output_label", "output_probability", "BYTES"),
        ("flat", "label", "probabilities", "INT64"),
    ):
        given = {
            output["name"]: output
            for output in server.post(f"/v2/models/{name}/infer", asked).json()["outputs"]
        }
        labels = iris.classes[:3] if datatype == "INT64" else _NAMES[iris.classes[:3]].tolist()
        assert (given[label]["datatype"], given[label]["data"]) == (datatype, labels)
        assert (given[shares]["datatype"], given[shares]["shape"]) == ("FP32", [3, 3])
        shown = np.array(given[shares]["data"]).reshape(3, 3)
        assert shown.argmax(axis=1).tolist() == iris.classes[:3]
        told = server.get(f"/v2/models/{name}").json()["outputs"]
        assert [(item["name"], item["shape"]) for item in told] == [
            (label, [-1]),
            (shares, [-1, 3]),
        ]
        one = server.post(f"/v2/models/{name}/infer", asked | {"outputs": [{"name": shares}]})
        assert [output["name"] for output in one.json()["outputs"]] == [shares]


def test_predict_and_kserve_answer_the_label(
    served: tuple[RunningServer, Models, str], iris: Iris
) -> None:
    server, _, _ = served
    for path in ("/v1/kinds/{}/predict", "/v1/models/{}:predict"):
        found = [
            server.post(path.format(name), {"instances": iris.rows[:3]}).json()["predictions"]
            for name in ("zipped", "named", "flat")
        ]
        classes = iris.classes[:3]
        assert found == [classes, _NAMES[classes].tolist(), classes]


def test_the_owner_names_the_outputs_of_predict(
    saved: Callable[[str], Models], iris: Iris, tmp_path: Path
) -> None:
    folder = saved("table")["flat"]
    config = {
        "name": "shares",
        "models": [{"name": "shares", "path": str(folder)}],
        "input": _INPUTS["table"],
    }
    expected = ScoringServer(saved("tensor")["flat"]).post({"inputs": iris.rows[:3]})["predictions"]
    with running_server(config | {"outputs": ["probabilities"]}, tmp_path / "one") as server:
        answer = server.post("/v1/shares/predict", iris.rows[:3]).json()
        assert answer["predictions"] == expected["probabilities"]
        whole = server.post("/invocations", iris.rows[:3]).json()["predictions"]
        assert [row["label"] for row in whole] == expected["label"]
    both = config | {"outputs": ["label", "probabilities"]}
    with running_server(both, tmp_path / "both") as server:
        assert server.post("/v1/shares/predict", iris.rows[:1]).json()["predictions"] == [
            {"label": expected["label"][0], "probabilities": expected["probabilities"][0]}
        ]
