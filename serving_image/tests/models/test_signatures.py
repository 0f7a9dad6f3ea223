"""What a signature says beyond flat columns: MLflow's own scoring server is the reference.

Each body goes to both. Where MLflow answers, we give the same answer; what differs stands in
ONLY_OURS and ONLY_MLFLOWS, with the reason.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import mlflow.xgboost
import pytest
import xgboost
from mlflow.models import ModelSignature
from mlflow.types.schema import (
    ColSpec,
    DataType,
    ParamSchema,
    ParamSpec,
    Schema,
)
from serving_image.tests.models.signature_cases import (
    HINTS,
    ONLY_MLFLOWS,
    ONLY_OURS,
    PARAMS,
    REFUSED,
    SAME,
    SIGNATURES,
)
from serving_image.tests.support.scored import Scored, Told, plain
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from servestack_contract.settings import Column, Element, Trust
from servestack_server.errors import StartError
from servestack_server.input.params import Params
from servestack_server.models.load import load_model
from servestack_server.models.nested import for_frame_of
from servestack_server.prediction.batcher import Job
from servestack_server.prediction.nodes import Ensemble, Leaf, Walk
from servestack_server.prediction.target import RequestJob


def hinted(hint: Any) -> mlflow.pyfunc.PythonModel:
    """A model whose predict has that type hint."""

    def predict(self: Any, model_input: Any, params: Any = None) -> list[str]:
        return [json.dumps(plain(getattr(value, "__dict__", value))) for value in model_input]

    predict.__annotations__ = {"model_input": hint}
    return type("Hinted", (mlflow.pyfunc.PythonModel,), {"predict": predict})()


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scored]:
    """Models by the name of their signature or hint, each saved and loaded once."""
    known: dict[str, Scored] = {}
    folder = tmp_path_factory.mktemp("signatures")

    def of(name: str) -> Scored:
        if name not in known:
            place = folder / str(len(known))
            model = hinted(HINTS[name]) if name in HINTS else Told()
            signature = None
            if name in SIGNATURES:
                params = PARAMS if name in ("params", "chat") else None
                signature = ModelSignature(Schema(SIGNATURES[name]), params=params)
            mlflow.pyfunc.save_model(
                place, python_model=model, signature=signature, pip_requirements=[]
            )
            known[name] = Scored(place)
        return known[name]

    return of


@pytest.mark.parametrize(("name", "body"), SAME, ids=str)
def test_the_answer_is_mlflows(scored: Callable[[str], Scored], name: str, body: Any) -> None:
    expected = scored(name).by_mlflow(body)
    assert expected is not None
    assert scored(name).by_us(body) == expected


@pytest.mark.parametrize(("name", "body", "code", "field", "row"), REFUSED, ids=str)
def test_what_mlflow_refuses_is_told_with_its_place(
    scored: Callable[[str], Scored], name: str, body: Any, code: str, field: str, row: int | None
) -> None:
    assert scored(name).by_mlflow(body) is None
    error = scored(name).refusal(body)
    assert (error.status, error.code, error.field, error.row) == (422, code, field, row)


@pytest.mark.parametrize(("name", "body", "told"), ONLY_OURS, ids=str)
def test_what_we_take_beyond_mlflow(
    scored: Callable[[str], Scored], name: str, body: Any, told: Any
) -> None:
    assert scored(name).by_mlflow(body) is None
    assert [json.loads(row) for row in scored(name).by_us(body)["predictions"]] == told


@pytest.mark.parametrize(("name", "body", "code", "field"), ONLY_MLFLOWS, ids=str)
def test_what_mlflow_takes_and_we_refuse(
    scored: Callable[[str], Scored], name: str, body: Any, code: str, field: str
) -> None:
    assert scored(name).by_mlflow(body) is not None
    error = scored(name).refusal(body)
    assert (error.status, error.code, error.field) == (422, code, field)


def test_the_model_cannot_change_what_is_logged(scored: Callable[[str], Scored]) -> None:
    """MLflow's check writes into the objects that it is given."""
    column = scored("object").input.columns[0]  # type: ignore[index]
    given = {"p": "a", "q": [1.5], "r": {"s": 1}}
    made = for_frame_of(column)(given)
    made["q"].append(2.5)
    made["r"]["s"] = 2
    assert given == {"p": "a", "q": [1.5], "r": {"s": 1}}


@pytest.mark.parametrize("flavor", ["sklearn", "pyfunc"])
def test_a_text_model_without_a_signature(tmp_path: Path, flavor: str) -> None:
    """MLflow hands a list of texts over as an array of one axis."""
    texts = ["good day", "bad night", "good night", "bad day"]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    if flavor == "sklearn":
        mlflow.sklearn.save_model(pipeline, tmp_path / "m", pip_requirements=[])
    else:
        mlflow.pyfunc.save_model(
            tmp_path / "m", python_model=Wrapped(pipeline), pip_requirements=[]
        )
    model = Scored(tmp_path / "m")
    expected = model.by_mlflow({"inputs": texts})
    assert expected == {"predictions": [1, 0, 1, 0]}
    for body in (texts, {"inputs": texts}, {"instances": texts}, {"data": texts}):
        assert model.by_us(body) == expected, body
    assert model.by_us(["bad weather"]) == model.by_mlflow({"inputs": ["bad weather"]})
    refused = model.refusal({"text": "good"})
    assert (refused.code, "api.input.columns" in refused.message) == ("no_rows", True)
    chat = {"messages": [{"role": "user", "content": "good"}]}
    if flavor == "pyfunc":  # Its code may take such a body as it is, as from MLflow's server.
        assert model.by_us(chat) == model.by_mlflow(chat)
    else:  # MLflow's server has the pipeline predict the text "messages".
        assert model.refusal(chat).code == "model_refused"


class Wrapped(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A model of scikit-learn in the owner's own class."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return self.pipeline.predict(model_input)


def test_params_of_a_framework_reach_it_as_in_mlflow(tmp_path: Path) -> None:
    """MLflow's wrapper of XGBoost hands them to its predict; those of most flavors ignore them."""
    rows = [[float(at), float(at % 3)] for at in range(40)]
    booster = xgboost.XGBClassifier(n_estimators=4).fit(rows, [at % 2 for at in range(40)])
    params = ParamSchema([ParamSpec("output_margin", DataType.boolean, False)])
    signature = ModelSignature(
        Schema([ColSpec("double", "a"), ColSpec("double", "b")]), params=params
    )
    mlflow.xgboost.save_model(booster, tmp_path / "m", signature=signature, pip_requirements=[])
    model = Scored(tmp_path / "m")
    split = {"columns": ["a", "b"], "data": rows}
    for body in (
        {"dataframe_split": split},
        {"dataframe_split": split, "params": {"output_margin": True}},
    ):
        assert model.by_us(body) == model.by_mlflow(body)
    with pytest.raises(StartError, match="only the framework itself takes the signature's params"):
        load_model(
            tmp_path / "m", name="m", version="1", digest="", columns=model.input.columns,
            tensor=None, runtime="onnx", trust=Trust(), params=model.params,
        )  # fmt: skip


def test_params_are_in_the_model_that_the_owners_class_gets(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        "class Twice:\n    def predict(self, inputs, model):\n        return model.predict(inputs)\n"
    )
    mlflow.pyfunc.save_model(
        tmp_path / "m", python_model=Told(), pip_requirements=[],
        signature=ModelSignature(Schema(SIGNATURES["text"]), params=PARAMS),
        code_paths=[str(tmp_path / "twice.py")], metadata={"servestack": {"class": "twice:Twice"}},
    )  # fmt: skip
    model = Scored(tmp_path / "m")
    body = {"inputs": ["a"], "params": {"k": 8}}
    assert model.by_us(body) == model.by_mlflow(body)


def test_every_model_of_a_graph_gets_the_params() -> None:
    submitted: list[Job] = []

    def submit(job: Job) -> None:
        submitted.append(job)
        job.outputs = [1]
        job.finish(job)

    target: Any = SimpleNamespace(name="m", batcher=SimpleNamespace(submit=submit))
    caller: Any = SimpleNamespace(id="request", headers={}, answered=False)
    job = RequestJob(caller, [("a",)], 1.0, lambda job: None, Params({"k": 8}))
    graph = Ensemble(["a", "b"], [Leaf(target), Leaf(target)], "object")
    assert asyncio.run(graph.ask(Walk(job), job.rows)) == [{"a": 1, "b": 1}]
    assert [asked.params for asked in submitted] == [job.params] * 2


@pytest.mark.parametrize("kind", ["string", "long", "boolean", "datetime"])
def test_an_array_whose_nulls_mlflow_would_change_stops_the_start(kind: Any) -> None:
    column = Column("a", "array", items=Element(kind, nullable=True))
    with pytest.raises(StartError, match=f"'a': MLflow cannot hold null in an array of {kind}"):
        for_frame_of(column)
    assert for_frame_of(Column("a", "array", items=Element("any")))([None, "x"]) == [None, "x"]


def test_a_text_that_mlflow_would_cut_off_is_refused() -> None:
    convert = for_frame_of(Column("a", "array", items=Element("string")))
    assert convert(["a\0b"]) == ["a\0b"]
    with pytest.raises(ValueError, match="zero character"):
        convert(["a\0"])
