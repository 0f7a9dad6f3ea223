"""Batches of XGBoost's trees: its own library answers them, with the bits that few rows get."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from serving_image.tests.models.model_support import iris
from serving_image.tests.support.server import running_server

from servestack_server.cli import main
from servestack_server.models.compiled import xgboost_library, xgboost_steps
from servestack_server.models.compiled.boosters import xgboost_scores
from servestack_server.models.compiled.plan import Plan
from servestack_server.models.compiled.together import Apart
from servestack_server.models.compiled.xgboost_library import LibraryBooster
from servestack_server.models.compiled.xgboost_steps import XgboostSums, library_rows

X, Y = iris()
_RANDOM = np.random.default_rng(0)
_ROWS = np.where(
    _RANDOM.random((500, 4)) < 0.1, np.nan, _RANDOM.normal(3, 2, (500, 4)).round(1)
).astype(np.float32)
_KINDS: dict[str, dict[str, Any]] = {
    "softprob": {"objective": "multi:softprob", "num_class": 3},
    "logistic": {"objective": "binary:logistic", "base_score": 0.3},
    "squares": {"base_score": 0.1},
    "poisson": {"objective": "count:poisson"},
    "a forest each round": {"num_parallel_tree": 3, "subsample": 0.5},
}


def _booster(kind: str = "softprob") -> Any:
    labels = Y % 2 if kind == "logistic" else Y
    return xgboost.train({"max_depth": 4, **_KINDS[kind]}, xgboost.DMatrix(X, labels), 20)


def _sums(booster: Any, rounds: tuple[int, int] = (0, 0)) -> XgboostSums:
    (sums,) = (step for step in xgboost_scores(booster, rounds, 4) if isinstance(step, XgboostSums))
    return sums


@pytest.mark.parametrize("rounds", [(0, 0), (0, 7)])
@pytest.mark.parametrize("kind", list(_KINDS))
def test_the_library_gives_the_bits_that_onnx_runtime_gives(
    kind: str, rounds: tuple[int, int]
) -> None:
    booster = _booster(kind)
    sums = _sums(booster, rounds)
    by_library = LibraryBooster(sums.model.tobytes(), sums.rounds).margins(_ROWS)
    assert np.array_equal(by_library, sums.sums(_ROWS))
    expected = booster.inplace_predict(_ROWS, iteration_range=rounds, predict_type="margin")
    assert np.array_equal(by_library, expected.reshape(len(_ROWS), -1))


def test_an_answer_stays_when_the_library_is_asked_again() -> None:
    booster = LibraryBooster(_sums(_booster()).model.tobytes(), 0)
    first = booster.margins(_ROWS)
    kept = first.copy()
    booster.margins(_ROWS[::-1])
    assert np.array_equal(first, kept)


def test_the_library_answers_batches_and_is_not_loaded_for_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    class Counted(LibraryBooster):
        def margins(self, values: Any) -> Any:
            asked.append(len(values))
            return super().margins(values)

    monkeypatch.setattr(xgboost_steps, "LibraryBooster", Counted)
    sums = _sums(_booster())
    least = sums.library_rows
    assert least == library_rows(60) == 274
    for rows in (1, least - 1, least, 500):
        sums(_ROWS[:rows])
    assert asked == [least, 500]


def test_the_library_needs_rows_and_trees_to_be_faster() -> None:
    assert [library_rows(trees) for trees in (1, 100, 300, 5000)] == [16384, 164, 64, 64]


def _refused(*arguments: Any) -> Any:
    raise AssertionError("the library is loaded")


def test_without_room_for_the_library_onnx_runtime_answers_batches(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """20 MiB are free, of which a quarter of 300 MiB is for bodies of requests."""
    monkeypatch.setattr(xgboost_steps, "memory_bytes", lambda: 300 << 20)
    monkeypatch.setattr(xgboost_steps, "free_bytes", lambda: 90 << 20)
    monkeypatch.setattr(xgboost_steps, "LibraryBooster", _refused)
    sums = _sums(_booster())
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert np.array_equal(sums(_ROWS), sums.sums(_ROWS))
    assert [record.message for record in caplog.records] == [
        "batches go without XGBoost's library, which takes 16 MiB"
    ]


@pytest.mark.parametrize("spec", ["none", "empty"])
def test_without_the_library_onnx_runtime_answers_batches(
    spec: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "xgboost").mkdir()
    (tmp_path / "xgboost/__init__.py").touch()
    found = None
    if spec == "empty":
        file = tmp_path / "xgboost/__init__.py"
        found = importlib.util.spec_from_file_location(
            "xgboost", file, submodule_search_locations=[str(file.parent)]
        )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    xgboost_library._library.cache_clear()
    sums = _sums(_booster())
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(sums(_ROWS), sums.sums(_ROWS))
    (said,) = (record.message for record in caplog.records)
    assert ("not installed" if spec == "none" else "no libxgboost in") in said


def test_a_model_that_the_library_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match=r"\w"):
        LibraryBooster(b"{}", 0)


def test_a_plan_says_from_how_many_rows_on_the_library_answers() -> None:
    steps = xgboost_scores(_booster(), (0, 0), 4)
    assert Plan(steps, 4, None, False).library_rows == 274
    assert Plan([Apart([steps], [])], 4, None, False).library_rows == 274
    assert Plan([steps[0]], 4, None, False).library_rows is None


def test_a_server_answers_a_batch_as_row_by_row_and_tells_of_the_library(tmp_path: Path) -> None:
    booster = xgboost.XGBClassifier(n_estimators=90).fit(X.to_numpy(), Y)
    (tmp_path / "iris").mkdir()
    booster.save_model(tmp_path / "iris/model.ubj")
    columns = [{"name": name, "type": "double"} for name in "abcd"]
    rows = X.to_numpy().tolist()
    config = {
        "name": "iris", "basePath": "/v1/iris", "input": {"columns": columns, "example": rows[:1]},
        "models": [{"name": "iris", "path": str(tmp_path / "iris/model.ubj")}],
    }  # fmt: skip
    (tmp_path / "service.json").write_text(json.dumps(config))
    assert main(["bake", f"--config={tmp_path}/service.json", "--only=iris"]) == 0
    with running_server(config, tmp_path) as server:
        metadata = server.get("/v2/models/iris").json()
        assert metadata["platform"] == "xgboost_compiled"
        assert metadata["parameters"]["library_from_rows"] == 64
        together = server.post("/v1/iris/predict", rows).json()["predictions"]
        alone = [server.post("/v1/iris/predict", [row]).json()["predictions"][0] for row in rows]
    assert together == alone == booster.predict(X.to_numpy()).tolist()
