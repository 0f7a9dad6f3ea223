"""What the owner's own code may return, and what each route makes of it.

MLflow's own scoring server, asked the same, is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from serving_image.tests.process.event_log import events, read
from serving_image.tests.support import answering_model
from serving_image.tests.support.answering_model import FORMS
from serving_image.tests.support.scoring_server import ScoringServer
from serving_image.tests.support.server import Answer, RunningServer, running_server

_FAILS_IN_MLFLOW: dict[str, Any] = {
    "missing values": [None, None, None],
    "missing date": [{"at": None}],
    "decimal": ["1.50"],
    "sparse": [[0, 1], [2, 0]],
    "set": [7],
    "series inside": {"s": [1, 2]},
    "duration": "P1DT2S",
    "half a pair": "\ufffd",
}
_NO_JSON = ("complex", "object")
_AS_MLFLOW = [form for form in FORMS if form not in {*_FAILS_IN_MLFLOW, *_NO_JSON}]
_ALIASES = ("/v1/models/own:predict", "/endpoints/own/invocations")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved model."""
    columns = Schema([ColSpec("string", "form"), ColSpec("double", "n")])
    folder = tmp_path_factory.mktemp("own") / "model"
    mlflow.pyfunc.save_model(
        folder, python_model=answering_model.__file__, pip_requirements=[],
        signature=ModelSignature(columns),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def scoring(folder: Path) -> ScoringServer:
    return ScoringServer(folder)


@pytest.fixture(scope="module")
def own(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of it, whose example is not answered by row."""
    place = tmp_path_factory.mktemp("own-server")
    config = {
        "name": "own",
        "models": [{"name": "own", "path": str(folder)}],
        "trust": {"code": True},
        "input": {
            "columns": [{"name": "form", "type": "string"}, {"name": "n", "type": "double"}],
            "example": [["mapping", 1.0]],
        },
        "batching": {},
        "events": events(place / "events"),
    }
    with running_server(config, place) as server:
        yield server


def asked(form: str, rows: int = 2) -> dict[str, Any]:
    return {"dataframe_records": [{"form": form, "n": float(at)} for at in range(rows)]}


@pytest.mark.parametrize("form", _AS_MLFLOW)
def test_invocations_answers_as_mlflow_does(
    own: RunningServer, scoring: ScoringServer, form: str
) -> None:
    answer = own.post("/invocations", asked(form))
    assert answer.status == 200, answer.body
    assert answer.json() == scoring.post(asked(form))


@pytest.mark.parametrize("path", _ALIASES)
def test_the_routes_that_share_its_body_answer_alike(own: RunningServer, path: str) -> None:
    for form in ("mapping", "series", "frame"):
        assert own.post(path, asked(form)).json() == own.post("/invocations", asked(form)).json()


@pytest.mark.parametrize("form", list(_FAILS_IN_MLFLOW))
def test_what_mlflow_cannot_write_has_a_form(
    own: RunningServer, scoring: ScoringServer, form: str
) -> None:
    answer = own.post("/invocations", asked(form))
    assert (answer.status, answer.json()) == (200, {"predictions": _FAILS_IN_MLFLOW[form]})
    if form not in ("missing date", "half a pair"):  # "NaT", and half a pair that nobody can read
        with pytest.raises(TypeError):
            scoring.post(asked(form))


def test_an_iterator_is_read(own: RunningServer) -> None:
    for path in ("/invocations", "/v1/own/predict"):
        assert own.post(path, asked("generator", 3)).json()["predictions"] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("path", ["/invocations", "/v1/own/predict"])
@pytest.mark.parametrize("form", _NO_JSON)
def test_what_has_no_form_in_json_is_a_fault_of_the_model(
    own: RunningServer, form: str, path: str
) -> None:
    answer = own.post(path, asked(form, 1))
    assert answer.status == 500
    assert answer.json()["error"]["code"] in ("model_failed", "not_by_row")
    assert "no form in JSON" in answer.body.decode() or path != "/invocations"


def test_a_refusal_of_the_model_is_the_callers(own: RunningServer) -> None:
    answer = own.post("/invocations", asked("refusal"))
    assert (answer.status, answer.json()["error"]["code"]) == (422, "model_refused")


def test_one_call_has_the_rows_of_one_request(own: RunningServer) -> None:
    for rows in (1, 7, 100):
        assert own.post("/invocations", asked("count", rows)).json() == {
            "predictions": {"rows": rows}
        }


_BY_ROW: dict[str, list[Any]] = {
    "by row": [{"n": 0.0, "twice": 0.0}, {"n": 1.0, "twice": 2.0}],
    "series": [1.5, 2.5],
    "frame": [
        {"number": 1.5, "whole": 1, "text": "a", "truth": True, "kind": "x"},
        {"number": None, "whole": 2, "text": "é", "truth": False, "kind": None},
    ],
    "mapping of arrays": [{"label": 0, "shares": [0.25, 0.75]}, {"label": 1, "shares": [1.0, 0.0]}],
    "array": [[1.5, None], [None, None]],
    "nested list": [[1, None], {"a": 3}],
    "nullable": [{"n": 1}, {"n": None}],
    "sparse": [[0, 1], [2, 0]],
}


@pytest.mark.parametrize("form", list(_BY_ROW))
def test_predict_answers_one_value_for_each_row(own: RunningServer, form: str) -> None:
    answer = own.post("/v1/own/predict", asked(form))
    assert (answer.status, answer.json()["predictions"]) == (200, _BY_ROW[form])
    if form != "by row":
        assert own.post("/v1/own/batch", asked(form)).json()["predictions"] == _BY_ROW[form]


@pytest.mark.parametrize(
    "form", ["mapping", "scalar", "text", "nothing", "longer list", "tuple", "set"]
)
def test_an_answer_that_is_not_by_row_is_a_fault_of_the_model(
    own: RunningServer, form: str
) -> None:
    answer = own.post("/v1/own/predict", asked(form))
    told = answer.json()["error"]
    assert (answer.status, told["code"]) == (500, "not_by_row")
    assert told["message"].startswith("the model returned ")
    assert told["message"].endswith("; POST /endpoints/own/invocations takes it as it is")
    assert _infer(own, form).status == 500
    assert own.post("/v1/own/batch", asked(form)).status == 500


def _infer(own: RunningServer, form: str) -> Answer:
    tensors = [
        {"name": "form", "shape": [2], "datatype": "BYTES", "data": [form, form]},
        {"name": "n", "shape": [2], "datatype": "FP64", "data": [0.0, 1.0]},
    ]
    return own.post("/v2/models/own/infer", {"inputs": tensors})


def test_a_missing_whole_number_is_null_among_texts_in_a_tensor(own: RunningServer) -> None:
    (tensor,) = _infer(own, "nullable").json()["outputs"]
    assert (tensor["name"], tensor["datatype"], tensor["data"]) == ("n", "BYTES", ["1", None])


def test_the_start_says_what_takes_its_answers(own: RunningServer) -> None:
    assert "does not answer row by row, so only /invocations takes" in own.log.read_text()


def test_the_log_has_the_answer_as_it_was_given(own: RunningServer) -> None:
    sent = {form: own.post("/invocations", asked(form)) for form in ("mapping", "nothing", "frame")}
    own.stop()
    folder = own.log.parent / "events"
    logged = {event["id"]: event["data"] for event in read(folder)}
    for answer in sent.values():
        assert logged[answer.headers["x-request-id"]]["outputs"] == answer.json()["predictions"]
