"""Models that were trained on columns of pandas' type category, asked with their values.

The reference is the model itself on the same rows, in a DataFrame with the types of the training:
mlflow.pyfunc for LightGBM; MLflow loads XGBoost's models so that they refuse categories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.lightgbm
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
import xgboost
from serving_image.tests.models.model_support import by_mlflow, load

from servestack_contract.settings import Column, Trust
from servestack_server.errors import StartError
from servestack_server.models.bake import bake

_RANDOM = np.random.default_rng(0)
_ROWS = 300


def _category(values: Sequence[Any], *, ordered: bool = False) -> pd.Categorical:
    drawn = [values[at] for at in _RANDOM.integers(len(values), size=_ROWS)]
    return pd.Categorical(drawn, categories=values, ordered=ordered)


FRAME = pd.DataFrame(
    {
        "number": _RANDOM.normal(size=_ROWS),
        "town": _category(["Ulm", "Bonn", "Kiel"]),
        "code": _category([30, 10, 20]),
        "grade": _category(["low", "mid", "high"], ordered=True),
    }
)
COLUMNS = (
    Column("number", "double"), Column("town", "string", nullable=True),
    Column("code", "long", nullable=True), Column("grade", "string"),
)  # fmt: skip
_TARGET = (
    FRAME["number"]
    + FRAME["town"].cat.codes * 2
    - FRAME["code"].cat.codes
    + FRAME["grade"].cat.codes * 3
)
_TWO = _TARGET.gt(_TARGET.median()).astype(int)
_LABELS = _TWO.map({1: "over", 0: "under"})
_LGB: dict[str, Any] = {"n_estimators": 12, "verbose": -1, "min_data_per_group": 5}
_XGB: dict[str, Any] = {"n_estimators": 12, "enable_categorical": True}
Make = Callable[[], Any]
LIGHTGBM: dict[str, Make] = {
    "Booster": lambda: lightgbm.train(
        {"objective": "regression", "verbose": -1, "min_data_per_group": 5},
        lightgbm.Dataset(FRAME, _TARGET), 12,
    ),
    "LGBMClassifier": lambda: lightgbm.LGBMClassifier(**_LGB).fit(FRAME, _LABELS),
    "LGBMRegressor": lambda: lightgbm.LGBMRegressor(**_LGB).fit(FRAME, _TARGET),
}  # fmt: skip
XGBOOST: dict[str, Make] = {
    "Booster": lambda: xgboost.train(
        {"objective": "reg:squarederror"},
        xgboost.DMatrix(FRAME, _TARGET, enable_categorical=True), 12,
    ),
    "XGBClassifier": lambda: xgboost.XGBClassifier(**_XGB).fit(FRAME, _TWO),
    "XGBRegressor": lambda: xgboost.XGBRegressor(**_XGB).fit(FRAME, _TARGET),
}  # fmt: skip
MODELS = [
    pytest.param(library, made[name], id=f"{library.__name__[7:]} {name}")
    for library, made in ((mlflow.lightgbm, LIGHTGBM), (mlflow.xgboost, XGBOOST))
    for name in made
]


def _asked() -> tuple[list[tuple[Any, ...]], pd.DataFrame]:
    """Rows of a request, with categories that are new or missing, and the frame that they make."""
    values = FRAME.astype(object)
    values.loc[0, "town"], values.loc[1, "town"], values.loc[2, "code"] = "Rome", None, 99
    typed = pd.DataFrame({name: _typed(values[name], FRAME[name].dtype) for name in FRAME.columns})
    rows = [tuple(row) for row in values.to_numpy().tolist()]
    return rows, typed


def _typed(values: pd.Series, dtype: Any) -> pd.Series:
    if not isinstance(dtype, pd.CategoricalDtype):
        return values.astype(dtype)
    return pd.Series(pd.Categorical(values.where(values.isin(dtype.categories)), dtype=dtype))


def _by_itself(model: Any, folder: Path, frame: pd.DataFrame) -> Any:
    if type(model).__module__.startswith("lightgbm"):
        return by_mlflow(folder, frame)
    if isinstance(model, xgboost.Booster):
        frame = xgboost.DMatrix(frame, enable_categorical=True)
    return model.predict(frame)


@pytest.mark.parametrize(("library", "make"), MODELS)
def test_values_are_answered_as_their_categories(tmp_path: Path, library: Any, make: Make) -> None:
    model = make()
    library.save_model(model, tmp_path / "m", pip_requirements=[])
    rows, typed = _asked()
    served = load(tmp_path / "m", columns=COLUMNS)
    expected = _by_itself(model, tmp_path / "m", typed)
    assert np.array_equal(served.predict(rows), expected)
    assert np.array_equal(served.predict(rows[:1]), expected[:1])
    turned = load(tmp_path / "m", columns=COLUMNS[::-1])
    assert np.array_equal(turned.predict([row[::-1] for row in rows]), expected)


def test_a_model_with_categories_stays_native(tmp_path: Path) -> None:
    for library, made in ((mlflow.lightgbm, LIGHTGBM), (mlflow.xgboost, XGBOOST)):
        folder = tmp_path / library.__name__
        library.save_model(made["Booster"](), folder, pip_requirements=[])
        said: list[str] = []
        assert not bake(
            folder, columns=COLUMNS, tensor=None, example=[_asked()[0][5]], trust=Trust(),
            required=False, say=said.append,
        )  # fmt: skip
        assert "category are served natively" in said[0]


def _train_lightgbm(frame: pd.DataFrame, folder: Path, **settings: Any) -> Path:
    data = lightgbm.Dataset(frame, _TARGET, **settings)
    booster = lightgbm.train({"objective": "regression", "verbose": -1}, data, 3)
    mlflow.lightgbm.save_model(booster, folder / "m", pip_requirements=[])
    return folder / "m"


def test_an_ordered_category_of_numbers_cannot_be_told_from_a_number(tmp_path: Path) -> None:
    frame = FRAME.assign(grade=_category([1, 2, 3], ordered=True))
    folder = _train_lightgbm(frame, tmp_path)
    with pytest.raises(
        StartError, match="3 columns of pandas' type category, and its file does not"
    ):
        load(folder, columns=(*COLUMNS[:3], Column("grade", "long")))


def test_a_column_of_another_type_than_its_categories(tmp_path: Path) -> None:
    folder = _train_lightgbm(FRAME, tmp_path)
    as_text = (*COLUMNS[:2], Column("code", "string"), COLUMNS[3])
    with pytest.raises(StartError, match="'code' is string, but its categories are such as 30, 10"):
        load(folder, columns=as_text)
    with pytest.raises(StartError, match="the input has no columns"):
        load(_train_lightgbm(FRAME[["number", "town"]], tmp_path / "two"))


def test_categories_of_truths_and_of_fractions(tmp_path: Path) -> None:
    frame = FRAME[["number"]].assign(truth=_category([True, False]), share=_category([0.5, 1.5]))
    columns = (Column("number", "double"), Column("truth", "boolean"), Column("share", "double"))
    folder = _train_lightgbm(frame, tmp_path)
    rows = [tuple(row) for row in frame.astype(object).to_numpy().tolist()]
    answer = load(folder, columns=columns).predict(rows)
    assert np.array_equal(answer, by_mlflow(folder, frame))
    assert len(set(answer)) > 2


TOWNS = ["Köln", "Ulm", "서울", "Bonn"]


@pytest.mark.parametrize("towns", [TOWNS, sorted(TOWNS)])
def test_categories_that_xgboost_damages_are_read_from_the_columns_enum(
    tmp_path: Path, towns: list[str]
) -> None:
    """XGBoost 3.2 counts the characters of names that are not ASCII, where it cuts bytes."""
    frame = FRAME[["number"]].assign(town=_category(towns))
    model = xgboost.XGBRegressor(**_XGB).fit(frame, _TARGET)
    folder = tmp_path / "m"
    mlflow.xgboost.save_model(model, folder, pip_requirements=[])
    plain = (Column("number", "double"), Column("town", "string"))
    with pytest.raises(StartError, match="has not kept the categories of column 'town'"):
        load(folder, columns=plain)
    with pytest.raises(StartError, match="has not kept the categories of column 'town'"):
        load(folder, columns=(plain[0], Column("town", "string", enum=("Köln", "Ulm"))))
    named = (plain[0], Column("town", "string", enum=tuple(TOWNS)))
    rows = [tuple(row) for row in frame.astype(object).to_numpy().tolist()]
    assert np.array_equal(load(folder, columns=named).predict(rows), model.predict(frame))


def test_codes_without_categories_are_numbers(tmp_path: Path) -> None:
    codes = np.column_stack([FRAME["number"], FRAME["town"].cat.codes.astype(float)])
    data = xgboost.DMatrix(
        codes, _TARGET, feature_names=["number", "town"], feature_types=["q", "c"],
        enable_categorical=True,
    )  # fmt: skip
    booster = xgboost.train({}, data, 5)
    mlflow.xgboost.save_model(booster, tmp_path / "m", pip_requirements=[])
    columns = (Column("number", "double"), Column("town", "long"))
    rows = [(number, int(code)) for number, code in codes.tolist()]
    assert np.array_equal(
        load(tmp_path / "m", columns=columns).predict(rows), booster.predict(data)
    )
    with pytest.raises(StartError, match="categories of column 'town' are not in its file"):
        load(tmp_path / "m", columns=(columns[0], Column("town", "string")))
