"""XGBoost and LightGBM: Boosters and the classes of the scikit-learn interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.lightgbm
import mlflow.xgboost
import numpy as np
import pytest
import xgboost
from serving_image.tests.models.model_support import (
    by_mlflow,
    imported_after_loading,
    iris,
    load,
    rows_of,
)

from servestack_contract.settings import Column
from servestack_server.errors import StartError

_LABELS, _TWO_LABELS = iris()[1], iris()[1] % 2


def _xgb_train(parameters: dict[str, Any], labels: Any) -> Any:
    features, _ = iris()
    return xgboost.train(parameters, xgboost.DMatrix(features, labels), 8)


def _early_stopped() -> Any:
    features, labels = iris()
    model = xgboost.XGBClassifier(n_estimators=80, early_stopping_rounds=2, learning_rate=0.9)
    return model.fit(features[::2], labels[::2], eval_set=[(features[1::2], labels[1::2])])


XGBOOST: dict[str, Callable[[], Any]] = {
    "classifier": lambda: xgboost.XGBClassifier(n_estimators=8).fit(iris()[0], _LABELS),
    "two classes": lambda: xgboost.XGBClassifier(n_estimators=8).fit(iris()[0], _TWO_LABELS),
    "softmax": lambda: xgboost.XGBClassifier(n_estimators=8, objective="multi:softmax").fit(
        iris()[0], _LABELS
    ),
    "early stopped": _early_stopped,
    "linear": lambda: xgboost.XGBRegressor(n_estimators=8, booster="gblinear").fit(
        iris()[0], _LABELS
    ),
    "regressor": lambda: xgboost.XGBRegressor(n_estimators=8).fit(iris()[0], iris()[0].iloc[:, 3]),
    "Booster softprob": lambda: _xgb_train(
        {"objective": "multi:softprob", "num_class": 3}, _LABELS
    ),
    "Booster logistic": lambda: _xgb_train({"objective": "binary:logistic"}, _TWO_LABELS),
}


@pytest.mark.parametrize("model_format", ["ubj", "json"])
@pytest.mark.parametrize("kind", list(XGBOOST))
def test_xgboost_answers_as_mlflow_does(tmp_path: Path, kind: str, model_format: str) -> None:
    features, _ = iris()
    mlflow.xgboost.save_model(
        XGBOOST[kind](), tmp_path / "m", model_format=model_format, pip_requirements=[]
    )
    model = load(tmp_path / "m", features)
    expected = by_mlflow(tmp_path / "m", features)
    answer = np.asarray(model.predict(rows_of(features)))
    assert model.flavor == "xgboost"
    assert answer.dtype.kind == expected.dtype.kind
    assert np.array_equal(answer, expected)


def test_a_bare_xgboost_classifier_answers_labels(tmp_path: Path) -> None:
    features, _ = iris()
    XGBOOST["classifier"]().save_model(tmp_path / "model.ubj")
    model = load(tmp_path, features)
    assert np.array_equal(
        model.predict(rows_of(features)), XGBOOST["classifier"]().predict(features)
    )


def test_xgboost_loads_without_scikit_learn_and_pandas(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.xgboost.save_model(XGBOOST["classifier"](), tmp_path / "m", pip_requirements=[])
    names = ("xgboost", "sklearn", "pandas", "mlflow")
    assert imported_after_loading(tmp_path / "m", list(features), names) == ["xgboost"]


def test_text_for_a_booster_and_a_broken_file_are_told(tmp_path: Path) -> None:
    mlflow.xgboost.save_model(XGBOOST["classifier"](), tmp_path / "m", pip_requirements=[])
    with pytest.raises(StartError, match=r"takes only numbers.*colour"):
        load(tmp_path / "m", columns=tuple(Column(name, "string") for name in ("colour", *"abc")))
    (tmp_path / "m" / "model.ubj").write_bytes(b"{")
    with pytest.raises(StartError, match=r"model.ubj: XGBoost"):
        load(tmp_path / "m")


LIGHTGBM: dict[str, Callable[[], Any]] = {
    "classifier": lambda: lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(
        iris()[0], _LABELS
    ),
    "named classes": lambda: lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(
        iris()[0], _LABELS.map({0: "setosa", 1: "versicolor", 2: "virginica"})
    ),
    "two classes": lambda: lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(
        iris()[0], _TWO_LABELS
    ),
    "regressor": lambda: lightgbm.LGBMRegressor(n_estimators=8, verbose=-1).fit(
        iris()[0], iris()[0].iloc[:, 3]
    ),
    "Booster": lambda: lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1},
        lightgbm.Dataset(iris()[0], _LABELS),
        8,
    ),
}


@pytest.mark.parametrize("kind", list(LIGHTGBM))
def test_lightgbm_answers_as_mlflow_does(tmp_path: Path, kind: str) -> None:
    features, _ = iris()
    mlflow.lightgbm.save_model(LIGHTGBM[kind](), tmp_path / "m", pip_requirements=[])
    answer = np.asarray(load(tmp_path / "m", features).predict(rows_of(features)))
    assert np.array_equal(answer, by_mlflow(tmp_path / "m", features))


def test_lightgbm_columns_go_by_name_although_it_renames_them(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.lightgbm.save_model(LIGHTGBM["Booster"](), tmp_path / "m", pip_requirements=[])
    turned = features[list(features)[::-1]]
    answer = np.asarray(load(tmp_path / "m", turned).predict(rows_of(turned)))
    assert np.array_equal(answer, by_mlflow(tmp_path / "m", features))


def test_a_lightgbm_booster_loads_without_scikit_learn_and_pandas(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.lightgbm.save_model(LIGHTGBM["Booster"](), tmp_path / "m", pip_requirements=[])
    names = ("lightgbm", "sklearn", "pandas", "mlflow")
    assert imported_after_loading(tmp_path / "m", list(features), names) == ["lightgbm"]
