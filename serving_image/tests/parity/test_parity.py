"""A part of `make parity`: one model of each family, on the data on which it went wrong somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving_image.tests.parity.compare import compare_entry
from serving_image.tests.parity.zoo import Entry, entries

_PART = {
    ("LogisticRegression, sparse", "predict_proba"),
    ("DecisionTree, scaled", "predict"),
    ("DecisionTree, identifiers", "predict"),
    ("RandomForest, gaps", "predict_proba"),
    ("RandomForest, scaled float32", "predict"),
    ("GradientBoosting", "predict_proba"),
    ("HistGradientBoosting", "predict"),
    ("HistGradientBoostingRegressor", "predict"),
    ("HistGradientBoostingRegressor, categories", "predict"),
    ("XGBoost, scaled", "predict_proba"),
    ("XGBoost, sparse", "predict_proba"),
    ("XGBRegressor", "predict"),
    ("xgboost.train, softmax", "predict"),
    ("xgboost.train, dart", "predict"),
    ("LightGBM, gaps", "predict_proba"),
    ("lightgbm.train, days", "predict"),
    ("lightgbm.train, zeros missing", "predict"),
    ("SVC", "predict"),
    ("MLP", "predict_proba"),
    ("GaussianNB", "predict"),
    ("PCA", "predict"),
    ("Lasso", "predict"),
    ("AdaBoost, several", "predict_proba"),
    ("AdaBoostRegressor", "predict"),
    ("Bagging, gaps", "predict"),
    ("Bagging, scaled", "predict_proba"),
    ("IsolationForest, features", "predict"),
    ("Voting", "predict"),
    ("VotingRegressor", "predict"),
    ("Stacking", "predict_proba"),
    ("Calibrated, several", "predict_proba"),
    ("Calibrated, isotonic", "predict"),
    ("OneVsRest", "predict"),
    ("MultiOutputClassifier", "predict"),
    ("QuadraticDiscriminantAnalysis", "predict_proba"),
    ("MultinomialNB", "predict"),
    ("Polynomial, logistic", "predict"),
    ("KBins", "predict"),
    ("SelectFromModel", "predict"),
    ("RandomForestRegressor, two outputs", "predict"),
}
_ENTRIES = [entry for entry in entries() if (entry.name, entry.predict_fn) in _PART]


def test_the_part_is_in_the_zoo() -> None:
    assert len(_ENTRIES) == len(_PART)


@pytest.mark.parametrize("entry", _ENTRIES, ids=lambda entry: f"{entry.name} {entry.predict_fn}")
def test_answers_are_those_of_mlflow(entry: Entry, tmp_path: Path) -> None:
    result = compare_entry(entry, tmp_path / "m")
    assert (result.differ, result.first) == (0, "")
    assert result.runtime == ("compiled" if entry.compiled else "native"), result.reason
    assert result.rows >= 2_000
