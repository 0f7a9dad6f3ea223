"""scikit-learn: skops and pickles, arrays and DataFrames."""

from __future__ import annotations

import warnings
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from serving_image.tests.models.model_support import (
    by_mlflow,
    columns_of,
    imported_after_loading,
    iris,
    load,
    rows_of,
)
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from servestack_contract.settings import Column, Trust
from servestack_server.errors import StartError

_TREES = Trust(skops_types=("sklearn.tree._tree.Tree",))


def _svc() -> object:
    return make_pipeline(StandardScaler(), SVC()).fit(*iris())


def test_a_skops_pipeline_answers_as_mlflow_does(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.sklearn.save_model(_svc(), tmp_path / "m", pip_requirements=[])
    model = load(tmp_path / "m", features)
    assert (model.flavor, model.runtime, model.service) == ("sklearn", "native", None)
    assert np.array_equal(model.predict(rows_of(features)), by_mlflow(tmp_path / "m", features))


def test_neither_pandas_nor_mlflow_is_imported_for_numbers(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.sklearn.save_model(_svc(), tmp_path / "m", pip_requirements=[])
    names = ("sklearn", "pandas", "mlflow", "pyarrow", "skl2onnx")
    assert imported_after_loading(tmp_path / "m", list(features), names) == ["sklearn"]


def test_a_prediction_starts_no_jobs_of_its_own(tmp_path: Path) -> None:
    """joblib starts processes for a bagging, and a pool of threads for each call of a forest."""
    features, classes = iris()
    bagging = BaggingClassifier(RandomForestClassifier(3, n_jobs=2), 2, n_jobs=2)
    fitted = make_pipeline(StandardScaler(), bagging).fit(features, classes)
    mlflow.sklearn.save_model(
        fitted, tmp_path / "m", pip_requirements=[], serialization_format="cloudpickle"
    )
    native = load(tmp_path / "m", features, trust=Trust(pickle=True)).native
    inner = native[-1]
    assert [inner.n_jobs, *(forest.n_jobs for forest in inner.estimators_)] == [1, 1, 1]


def test_predict_fn_is_obeyed_and_names_raise_no_warning(tmp_path: Path) -> None:
    features, classes = iris()
    estimator = LogisticRegression(max_iter=500).fit(features, classes)
    mlflow.sklearn.save_model(
        estimator, tmp_path / "m", pip_requirements=[], pyfunc_predict_fn="predict_proba"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load(tmp_path / "m", features)
        answer = model.predict(rows_of(features))
    assert np.shape(answer) == (150, 3)
    assert np.array_equal(answer, by_mlflow(tmp_path / "m", features))


def test_columns_in_another_order_are_put_in_the_models(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.sklearn.save_model(_svc(), tmp_path / "m", pip_requirements=[])
    turned = features[list(features)[::-1]]
    answer = load(tmp_path / "m", turned).predict(rows_of(turned))
    assert np.array_equal(answer, by_mlflow(tmp_path / "m", features))


def test_too_few_columns_are_named(tmp_path: Path) -> None:
    features, _ = iris()
    mlflow.sklearn.save_model(_svc(), tmp_path / "m", pip_requirements=[])
    with pytest.raises(StartError, match=r"4 features.*3 columns.*petal width"):
        load(tmp_path / "m", features.iloc[:, :3])


@pytest.mark.parametrize("serialization_format", ["cloudpickle", "pickle"])
def test_a_pickle_is_refused_until_the_spec_trusts_it(
    tmp_path: Path, serialization_format: str
) -> None:
    features, _ = iris()
    mlflow.sklearn.save_model(
        _svc(), tmp_path / "m", serialization_format=serialization_format, pip_requirements=[]
    )
    with pytest.raises(StartError, match=r"trust: \{pickle: true\}"):
        load(tmp_path / "m", features)
    with pytest.raises(StartError, match=r"trust: \{pickle: true\}"):
        load(tmp_path / "m", features, trust=Trust(code=True, skops_types=("builtins.eval",)))
    model = load(tmp_path / "m", features, trust=Trust(pickle=True))
    assert np.array_equal(model.predict(rows_of(features)), by_mlflow(tmp_path / "m", features))


def test_a_pickle_that_claims_to_be_skops_is_not_unpickled(tmp_path: Path) -> None:
    mlflow.sklearn.save_model(
        _svc(), tmp_path / "m", serialization_format="pickle", pip_requirements=[]
    )
    file = tmp_path / "m" / "MLmodel"
    file.write_text(
        file.read_text().replace("serialization_format: pickle", "serialization_format: skops")
    )
    with pytest.raises(StartError, match="is not a skops file"):
        load(tmp_path / "m")


def test_untrusted_types_are_named_with_the_line_to_add(tmp_path: Path) -> None:
    features, classes = iris()
    pipeline = make_pipeline(FunctionTransformer(np.loadtxt), SVC())
    pipeline.steps[0][1].fit(features)
    pipeline.steps[1][1].fit(features, classes)
    mlflow.sklearn.save_model(
        pipeline, tmp_path / "m", skops_trusted_types=["numpy.loadtxt"], pip_requirements=[]
    )
    with pytest.raises(StartError, match=r"trust: \{skopsTypes: \[numpy.loadtxt\]\}"):
        load(tmp_path / "m", features)
    assert load(tmp_path / "m", features, trust=Trust(skops_types=("numpy.loadtxt",)))


def _houses() -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "town": random.choice(["Bonn", "Köln", "Ulm"], 90),
            "rooms": random.integers(1, 8, 90),
            "area m2": random.uniform(20, 200, 90),
        }
    )
    price = frame["area m2"] * 3.0 + frame["rooms"] + (frame["town"] == "Bonn") * 50.0
    return frame, price


def test_columns_picked_by_name_get_a_dataframe(tmp_path: Path) -> None:
    frame, price = _houses()
    encode = ColumnTransformer(
        [("town", OneHotEncoder(), ["town"]), ("rest", StandardScaler(), ["rooms", "area m2"])]
    )
    estimator = make_pipeline(encode, RandomForestRegressor(10, random_state=0)).fit(frame, price)
    mlflow.sklearn.save_model(
        estimator,
        tmp_path / "m",
        pip_requirements=[],
        signature=mlflow.models.infer_signature(frame, price),
        skops_trusted_types=_TREES.skops_types,
    )
    model = load(tmp_path / "m", frame, trust=_TREES)
    assert np.array_equal(model.predict(rows_of(frame)), by_mlflow(tmp_path / "m", frame))


def test_a_null_in_a_whole_number_column_becomes_nan(tmp_path: Path) -> None:
    frame, price = _houses()
    estimator = make_pipeline(
        ColumnTransformer([("pass", "passthrough", ["rooms", "area m2"])]),
        RandomForestRegressor(5, random_state=0),
    ).fit(frame, price)
    mlflow.sklearn.save_model(
        estimator, tmp_path / "m", pip_requirements=[], skops_trusted_types=_TREES.skops_types
    )
    columns = tuple(Column(column.name, column.type, nullable=True) for column in columns_of(frame))
    model = load(tmp_path / "m", columns=columns, trust=_TREES)
    rows = [("Ulm", None, 70.0), ("Ulm", 3, None)]
    asked = pd.DataFrame(rows, columns=list(frame)).astype({"rooms": "float64"})
    assert np.array_equal(model.predict(rows), estimator.predict(asked))


def test_another_scikit_learn_version_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    features, _ = iris()
    mlflow.sklearn.save_model(_svc(), tmp_path / "m", pip_requirements=[])
    file = tmp_path / "m" / "MLmodel"
    file.write_text(file.read_text().replace("sklearn_version: 1.9.", "sklearn_version: 1.2."))
    load(tmp_path / "m", features)
    assert "saved with scikit-learn 1.2" in caplog.text
