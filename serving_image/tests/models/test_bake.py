"""Conversion to ONNX: what converts answers alike, what does not says why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.lightgbm
import mlflow.sklearn
import mlflow.xgboost
import msgspec
import numpy as np
import pandas as pd
import pytest
import xgboost
from serving_image.tests.models.model_support import by_mlflow, columns_of, iris, load, rows_of
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from servestack_contract.settings import Input, Trust
from servestack_server.errors import StartError
from servestack_server.models import convert, to_onnx
from servestack_server.models.bake import bake
from servestack_server.models.check_rows import MADE_ROWS, check_rows
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.not_converted import NotConvertedError

X, Y = iris()
TRUST = Trust(
    skops_types=(
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "numpy.absolute",
    )
)
WIDTH = X.iloc[:, 3]
BOOSTERS = {"n_estimators": 10, "max_depth": 3}
MODELS: dict[str, Callable[[], Any]] = {
    "StandardScaler, SVC": lambda: make_pipeline(StandardScaler(), SVC()).fit(X, Y),
    "LogisticRegression": lambda: LogisticRegression(max_iter=500).fit(X, Y),
    "RandomForestClassifier": lambda: RandomForestClassifier(20, random_state=0).fit(X, Y),
    "GradientBoostingRegressor": lambda: GradientBoostingRegressor(random_state=0).fit(X, WIDTH),
    "HistGradientBoostingClassifier": lambda: HistGradientBoostingClassifier(max_iter=10).fit(X, Y),
    "XGBClassifier": lambda: xgboost.XGBClassifier(**BOOSTERS).fit(X, Y),
    "XGBClassifier, two classes": lambda: xgboost.XGBClassifier(**BOOSTERS).fit(X, Y % 2),
    "XGBRegressor": lambda: xgboost.XGBRegressor(**BOOSTERS).fit(X, WIDTH),
    "xgboost.Booster": lambda: xgboost.train(
        {"objective": "binary:logistic"}, xgboost.DMatrix(X, Y % 2), 10
    ),
    "LGBMClassifier": lambda: lightgbm.LGBMClassifier(**BOOSTERS, verbose=-1).fit(X, Y),
    "LGBMRegressor": lambda: lightgbm.LGBMRegressor(**BOOSTERS, verbose=-1).fit(X, WIDTH),
    "lightgbm.Booster": lambda: lightgbm.train(
        {"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, Y % 2), 10
    ),
}


def _save(model: Any, folder: Path, **settings: Any) -> Path:
    if isinstance(model, xgboost.XGBModel | xgboost.Booster):
        mlflow.xgboost.save_model(model, folder, pip_requirements=[], **settings)
    elif isinstance(model, lightgbm.LGBMModel | lightgbm.Booster):
        mlflow.lightgbm.save_model(model, folder, pip_requirements=[], **settings)
    else:
        mlflow.sklearn.save_model(
            model,
            folder,
            pip_requirements=[],
            skops_trusted_types=list(TRUST.skops_types),
            **settings,
        )
    return folder


def _bake(
    folder: Path, frame: pd.DataFrame, *, required: bool = True, **settings: float
) -> dict[str, Any]:
    bake(
        folder,
        columns=columns_of(frame),
        tensor=None,
        example=rows_of(frame.iloc[::50]),
        trust=TRUST,
        required=required,
        say=lambda line: None,
        **settings,
    )
    record: dict[str, Any] = json.loads((folder.with_name("m.baked") / "bake.json").read_text())
    return record


@pytest.mark.parametrize("name", list(MODELS))
def test_a_baked_model_answers_as_mlflow_does(tmp_path: Path, name: str) -> None:
    folder = _save(MODELS[name](), tmp_path / "m", input_example=X.head(2))
    before = sorted(path.name for path in folder.rglob("*"))
    record = _bake(folder, X)
    assert record["kept"] and record["rows"] == 3 + 2 + MADE_ROWS
    model = load(folder, X, runtime="onnx", trust=TRUST)
    expected = by_mlflow(folder, X)
    answer = np.asarray(model.predict(rows_of(X)))
    assert model.runtime == "onnx"
    assert answer.shape == expected.shape
    assert np.allclose(answer, expected, rtol=1e-4, atol=1e-5)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_the_first_conversion_of_a_process_may_be_of_lightgbms_classes(tmp_path: Path) -> None:
    """They are imported without pandas then, and are others than those that the converter knows."""
    folder = _save(MODELS["LGBMClassifier"](), tmp_path / "m", input_example=X.head(2))
    program = f"""
from pathlib import Path
from servestack_contract.settings import Column, Trust
from servestack_server.models.bake import bake
print(bake(Path({str(folder)!r}), columns=tuple(Column(name, "double") for name in {list(X)!r}),
    tensor=None, example=None, trust=Trust(), required=True, say=lambda line: None))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_probabilities_are_baked_where_predict_fn_asks_for_them(tmp_path: Path) -> None:
    estimator = MODELS["LogisticRegression"]()
    folder = _save(estimator, tmp_path / "m", pyfunc_predict_fn="predict_proba")
    assert _bake(folder, X)["output"]["name"] == "probabilities"
    answer = np.asarray(load(folder, X, runtime="onnx").predict(rows_of(X)))
    assert np.allclose(answer, by_mlflow(folder, X), rtol=1e-4, atol=1e-5)


def test_text_columns_become_inputs_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "town": random.choice(["Bonn", "Köln", "Ulm"], 120),
            "rooms": random.integers(1, 8, 120),
            "area m2": random.uniform(20, 200, 120).round(1),
        }
    )
    encode = ColumnTransformer(
        [("town", OneHotEncoder(), ["town"]), ("rest", StandardScaler(), ["rooms", "area m2"])]
    )
    estimator = make_pipeline(encode, LogisticRegression()).fit(
        frame, np.where(frame["area m2"] + 20 * (frame["town"] == "Ulm") > 100, "dear", "cheap")
    )
    folder = _save(estimator, tmp_path / "m")
    assert _bake(folder, frame)["kept"]
    model = load(folder, frame, runtime="onnx")
    assert np.asarray(model.predict(rows_of(frame))).tolist() == by_mlflow(folder, frame).tolist()


def test_columns_in_another_order_are_put_in_the_models(tmp_path: Path) -> None:
    turned = X[list(X)[::-1]]
    folder = _save(MODELS["xgboost.Booster"](), tmp_path / "m")
    _bake(folder, turned)
    answer = load(folder, turned, runtime="onnx").predict(rows_of(turned))
    assert np.allclose(np.asarray(answer), by_mlflow(folder, X), rtol=1e-4, atol=1e-5)


def test_a_runtime_takes_what_was_baked_for_it(tmp_path: Path) -> None:
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m")
    assert load(folder, X).runtime == "native"
    assert _bake(folder, X, required=False)["form"] == "plan"
    assert load(folder, X).runtime == "compiled"
    assert load(folder, X, runtime="native").runtime == "native"
    with pytest.raises(StartError, match="was baked for another runtime"):
        load(folder, X, runtime="onnx")
    assert _bake(folder, X)["form"] == "onnx"
    assert load(folder, X, runtime="onnx").runtime == "onnx"
    assert load(folder, X).runtime == "native"


def test_a_conversion_of_another_artifact_is_not_used(tmp_path: Path) -> None:
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m")
    _bake(folder, X, required=False)
    (folder / "requirements.txt").write_text("# another\n")
    assert load(folder, X).runtime == "native"
    with pytest.raises(StartError, match="is of another artifact"):
        load(folder, X, runtime="onnx")


def test_a_conversion_of_an_earlier_servestack_is_not_used_but_made_again(tmp_path: Path) -> None:
    """A folder beside the artifact may outlive the image: the same step may mean something else."""
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m")
    record = _bake(folder, X, required=False)
    file = tmp_path / "m.baked/bake.json"
    file.write_text(json.dumps({name: value for name, value in record.items() if name != "format"}))
    assert load(folder, X).runtime == "native"
    assert _bake(folder, X, required=False)["format"] == record["format"]
    assert load(folder, X).runtime == "compiled"


def test_a_conversion_for_other_columns_is_not_used(tmp_path: Path) -> None:
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m")
    _bake(folder, X, required=False)
    assert load(folder, X).runtime == "compiled"
    assert load(folder, X[list(X)[::-1]]).runtime == "native"


def test_a_conversion_that_was_not_checked_on_nulls_is_not_used_for_them(tmp_path: Path) -> None:
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m", input_example=X.head(2))
    _bake(folder, X, required=False)
    nullable = tuple(msgspec.structs.replace(column, nullable=True) for column in columns_of(X))
    assert load(folder, X, trust=TRUST).runtime == "compiled"
    assert load(folder, columns=nullable, trust=TRUST).runtime == "native"


def test_what_does_not_convert_says_why(tmp_path: Path) -> None:
    pipeline = make_pipeline(FunctionTransformer(np.abs), SVC()).fit(X, Y)
    folder = _save(pipeline, tmp_path / "m")
    with pytest.raises(StartError, match=r"cannot be converted to ONNX: .*FunctionTransformer"):
        _bake(folder, X)
    assert not _bake(folder, X, required=False)["kept"]
    assert load(folder, X, trust=TRUST).runtime == "native"
    with pytest.raises(StartError, match=r"no converted model to use: .*FunctionTransformer"):
        load(folder, X, runtime="onnx", trust=TRUST)


def test_a_converted_model_that_differs_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m")
    describe = convert.describe_source

    def another(artifact: Any, native: Any, given: Any) -> Any:
        other = LogisticRegression(C=1e-3, max_iter=500).fit(X, Y)
        return describe(artifact, other, given)

    monkeypatch.setattr(to_onnx, "describe_source", another)
    with pytest.raises(StartError, match=r"\d+ of 259 labels differ"):
        _bake(folder, X)


def test_the_tolerance_of_onnx_is_the_owners(tmp_path: Path) -> None:
    """The sum of a hundred trees in float32 is not that in float64."""
    folder = _save(MODELS["GradientBoostingRegressor"](), tmp_path / "m")
    with pytest.raises(StartError, match="numbers differ, by up to"):
        _bake(folder, X, tolerance=1e-12)
    record = _bake(folder, X, tolerance=1e-3)
    assert 0 < record["largest_difference"] < 1e-4
    assert load(folder, X, runtime="onnx").difference == record["largest_difference"]


def test_a_forest_that_splits_on_missing_values_comes_to_an_end(tmp_path: Path) -> None:
    """skl2onnx's search for a threshold in double never ends at infinity."""
    frame = X.copy()
    frame.iloc[::7, 1] = np.nan
    missing = frame.iloc[:, 1].isna().astype(int)
    forest = RandomForestClassifier(5, random_state=0).fit(frame, missing)
    assert any(np.isinf(tree.tree_.threshold).any() for tree in forest.estimators_)
    source = convert.describe_source(
        Artifact(tmp_path, "sklearn", None), forest, Input(columns_of(frame))
    )
    with pytest.raises(NotConvertedError, match="split on missing values"):
        source.convert("double")
    assert source.convert("float") is not None


def test_without_a_row_to_compare_nothing_is_baked(tmp_path: Path) -> None:
    folder = _save(MODELS["LogisticRegression"](), tmp_path / "m")
    with pytest.raises(StartError, match="no example"):
        bake(
            folder, columns=columns_of(X), tensor=None, example=None, trust=TRUST, required=True,
            say=print,
        )  # fmt: skip


def test_an_artifact_that_is_not_trusted_is_not_loaded(tmp_path: Path) -> None:
    mlflow.sklearn.save_model(
        MODELS["LogisticRegression"](),
        tmp_path / "m",
        serialization_format="pickle",
        pip_requirements=[],
    )
    with pytest.raises(StartError, match=r"trust: \{pickle: true\}"):
        _bake(tmp_path / "m", X, required=False)
    assert not (tmp_path / "m.baked").exists()


def test_rows_are_the_same_each_time_and_keep_the_limits(tmp_path: Path) -> None:
    columns = tuple(
        msgspec.structs.replace(column, minimum=0.0, maximum=8.0) for column in columns_of(X)
    )
    rows = check_rows(tmp_path, {"inputs": rows_of(X.head(3))}, columns)
    assert rows == check_rows(tmp_path, {"inputs": rows_of(X.head(3))}, columns)
    assert len(rows) == 3 + MADE_ROWS
    assert all(0.0 <= value <= 8.0 for row in rows for value in row)
    assert len(set(rows)) > MADE_ROWS // 2
