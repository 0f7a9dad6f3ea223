"""Models that mlflow.sklearn saved and whose training frame had columns of pandas' type category.

The reference is mlflow.pyfunc on a DataFrame with the types of the training; a request has no types,
only values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import xgboost
from serving_image.tests.models.model_support import load
from serving_image.tests.models.test_categories import COLUMNS, FRAME, _asked
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from servestack_contract.settings import Column, Trust
from servestack_server.errors import StartError
from servestack_server.models.bake import bake
from servestack_server.models.not_converted import NotConvertedError, require_no_categories

_TARGET = (
    FRAME["number"]
    + FRAME["town"].cat.codes * 2
    - FRAME["code"].cat.codes
    + FRAME["grade"].cat.codes * 3
)
_TWO = _TARGET.gt(_TARGET.median()).astype(int)
TRUSTED = Trust(pickle=True)


def lgbm() -> Any:
    return lightgbm.LGBMRegressor(n_estimators=12, verbose=-1, min_data_per_group=5, n_jobs=1)


def xgb() -> Any:
    return xgboost.XGBRegressor(n_estimators=12, enable_categorical=True, n_jobs=1)


def scaled(*, verbose: bool = False) -> ColumnTransformer:
    """Scales the number, and hands the categories on after it."""
    made = ColumnTransformer(
        [("s", StandardScaler(), ["number"])],
        remainder="passthrough", verbose_feature_names_out=verbose,
    )  # fmt: skip
    return made.set_output(transform="pandas")


def lower_towns(frame: pd.DataFrame) -> pd.DataFrame:
    """Make categories inside the pipeline, which are not the values of a request."""
    return frame.assign(town=frame["town"].astype(str).str.lower().astype("category"))


MODELS: dict[str, Callable[[], Any]] = {
    "LGBMRegressor": lambda: lgbm().fit(FRAME, _TARGET),
    "XGBRegressor": lambda: xgb().fit(FRAME, _TARGET),
    "pipeline": lambda: make_pipeline("passthrough", lgbm()).fit(FRAME, _TARGET),
    "function": lambda: make_pipeline(FunctionTransformer(), xgb()).fit(FRAME, _TARGET),
    "columns": lambda: make_pipeline(scaled(), lgbm()).fit(FRAME, _TARGET),
    "names": lambda: make_pipeline(scaled(verbose=True), xgb()).fit(FRAME, _TARGET),
    "voting": lambda: VotingRegressor([("a", lgbm()), ("b", xgb())]).fit(FRAME, _TARGET),
    "search": lambda: GridSearchCV(lgbm(), {"num_leaves": [7]}, cv=2).fit(FRAME, _TARGET),
    "target": lambda: TransformedTargetRegressor(lgbm()).fit(FRAME, _TARGET),
    "outputs": lambda: MultiOutputRegressor(lgbm()).fit(FRAME, np.c_[_TARGET, -_TARGET]),
    "calibrated": lambda: CalibratedClassifierCV(
        lightgbm.LGBMClassifier(n_estimators=12, verbose=-1, min_data_per_group=5, n_jobs=1), cv=2
    ).fit(FRAME, _TWO),
    "HistGradientBoosting": lambda: HistGradientBoostingRegressor(
        categorical_features="from_dtype"
    ).fit(FRAME, _TARGET),
}


def saved(model: Any, folder: Path) -> Path:
    mlflow.sklearn.save_model(
        model, folder, serialization_format="cloudpickle", pip_requirements=[]
    )
    return folder


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in MODELS.items()])
def test_values_are_answered_as_their_categories(tmp_path: Path, make: Callable[[], Any]) -> None:
    folder = saved(make(), tmp_path / "m")
    rows, typed = _asked()
    rows[3] = (rows[3][0], rows[3][1], None, rows[3][3])
    typed.loc[3, "code"] = None
    expected = np.asarray(mlflow.pyfunc.load_model(str(folder)).predict(typed))
    served = load(folder, columns=COLUMNS, trust=TRUSTED)
    assert np.array_equal(np.asarray(served.predict(rows)), expected)
    assert np.array_equal(np.asarray(served.predict(rows[1:2])), expected[1:2])
    turned = load(folder, columns=COLUMNS[::-1], trust=TRUSTED)
    assert np.array_equal(np.asarray(turned.predict([row[::-1] for row in rows])), expected)


@pytest.mark.parametrize("make", [lgbm, xgb])
def test_categories_of_numbers_alone_are_not_taken_for_codes(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    frame = FRAME[["number", "code"]]
    folder = saved(make().fit(frame, _TARGET), tmp_path / "m")
    expected = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    columns = (Column("number", "double"), Column("code", "long"))
    rows = [tuple(row) for row in frame.astype(object).to_numpy().tolist()]
    for baked in (False, True):
        if baked:
            bake(
                folder, columns=columns, tensor=None, example=[list(rows[0])], trust=TRUSTED,
                required=False, say=lambda line: None,
            )  # fmt: skip
        served = load(folder, columns=columns, trust=TRUSTED)
        assert served.runtime == "native"
        assert np.array_equal(served.predict(rows), expected)
    with pytest.raises(StartError, match="input has no columns"):
        load(folder, trust=TRUSTED)


def test_categories_that_the_pipeline_makes_are_its_own(tmp_path: Path) -> None:
    plain = FRAME[["number", "town"]].assign(town=FRAME["town"].astype(str))
    model = make_pipeline(FunctionTransformer(lower_towns), lgbm()).fit(plain, _TARGET)
    folder = saved(model, tmp_path / "m")
    shouted = plain.assign(town=plain["town"].str.upper())
    expected = mlflow.pyfunc.load_model(str(folder)).predict(shouted)
    served = load(
        folder, columns=(Column("number", "double"), Column("town", "string")), trust=TRUSTED
    )
    rows = [tuple(row) for row in shouted.to_numpy().tolist()]
    assert np.array_equal(served.predict(rows), expected)


def test_a_column_of_another_type_than_its_categories_is_told(tmp_path: Path) -> None:
    folder = saved(MODELS["function"](), tmp_path / "m")
    wrong = (*COLUMNS[:3], Column("grade", "long"))
    with pytest.raises(StartError, match="column 'grade' is long, but its categories are such as"):
        load(folder, columns=wrong, trust=TRUSTED)


def test_such_a_model_is_not_converted() -> None:
    for name in ("pipeline", "voting"):
        with pytest.raises(NotConvertedError, match="served natively"):
            require_no_categories("sklearn", MODELS[name]())
    require_no_categories("sklearn", MODELS["HistGradientBoosting"]())
