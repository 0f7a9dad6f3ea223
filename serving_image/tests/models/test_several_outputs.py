"""scikit-learn's answers of several outputs, of shares and of sparse matrices: one for each row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pytest
import scipy.sparse
from serving_image.tests.models.model_support import iris, load, rows_of
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from servestack_contract.settings import Trust
from servestack_server.prediction.outputs import listed, require_by_row

_X, _KINDS = iris()
_NAMES = _KINDS.map({0: "setosa", 1: "versicolor", 2: "virginica"}).to_numpy()
_TWO = np.column_stack([_NAMES, np.where(_X.iloc[:, 0] > 5.8, "long", "short")])
_MANY = np.column_stack([_KINDS == 0, _KINDS == 1, _X.iloc[:, 0] > 5.8]).astype(int)
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "names": (lambda: LogisticRegression(max_iter=500).fit(_X, _NAMES), "predict"),
    "shares of names": (lambda: LogisticRegression(max_iter=500).fit(_X, _NAMES), "predict_proba"),
    "regressors": (lambda: LinearRegression().fit(_X, _X.iloc[:, :2]), "predict"),
    "two outputs": (lambda: RandomForestClassifier(5).fit(_X, _TWO), "predict"),
    "shares of two outputs": (
        lambda: RandomForestClassifier(5, random_state=0).fit(_X, _TWO), "predict_proba",
    ),
    "logs of two outputs": (
        lambda: DecisionTreeClassifier(max_depth=2).fit(_X, _TWO), "predict_log_proba",
    ),
    "shares of a wrapper": (
        lambda: MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(_X, _TWO), "predict_proba",
    ),
    "labels": (lambda: KNeighborsClassifier().fit(_X, _MANY), "predict"),
    "shares of labels": (lambda: KNeighborsClassifier().fit(_X, _MANY), "predict_proba"),
    "sparse labels": (
        lambda: OneVsRestClassifier(LogisticRegression(max_iter=500)).fit(
            _X, scipy.sparse.csr_matrix(_MANY)
        ),
        "predict",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_each_row_has_one_answer(tmp_path: Path, case: str) -> None:
    make, function = CASES[case]
    model = make()
    mlflow.sklearn.save_model(
        model, tmp_path / "m", pyfunc_predict_fn=function, pip_requirements=[],
        serialization_format="cloudpickle",
    )  # fmt: skip
    predict = load(tmp_path / "m", _X, trust=Trust(pickle=True)).predict
    for count in (1, 2, 3, 150):  # also as many rows as outputs
        answer = predict(rows_of(_X)[:count])
        require_by_row(answer, count)
        assert listed(answer) == _expected(getattr(model, function)(_X.iloc[:count]), count)


def _expected(answer: Any, rows: int) -> list[Any]:
    if isinstance(answer, list):  # an array for each output
        return [[part[row].tolist() for part in answer] for row in range(rows)]
    found: list[Any] = (answer.toarray() if hasattr(answer, "toarray") else answer).tolist()
    return found


def test_a_frame_is_answered_by_column(tmp_path: Path) -> None:
    scaler = StandardScaler().set_output(transform="pandas").fit(_X)
    scaler.predict = scaler.transform  # MLflow takes only what is called predict
    mlflow.sklearn.save_model(
        scaler, tmp_path / "m", pip_requirements=[], serialization_format="cloudpickle"
    )
    answer = load(tmp_path / "m", _X, trust=Trust(pickle=True)).predict(rows_of(_X)[:2])
    expected = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(_X.iloc[:2])
    assert list(answer) == list(scaler.get_feature_names_out())
    assert np.array_equal(np.column_stack([*answer.values()]), expected.to_numpy())
