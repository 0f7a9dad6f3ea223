"""Common estimators, each fitted on a table of its kind, for bench_estimators.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import xgboost as xgb
from serving_image.tests.parity.data import TABLES, Table
from sklearn import (
    cluster,
    discriminant_analysis,
    ensemble,
    gaussian_process,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
    tree,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

_HUNDRED = {"n_estimators": 100, "random_state": 0}
_ALL_CORES = {**_HUNDRED, "n_jobs": -1}


def fit(table: str, target: str, make: Callable[[], Any]) -> tuple[Table, Any]:
    """Return the table and the model, fitted to its target ("amounts": two of them)."""
    data = TABLES[table]()
    goal = data.features.iloc[:, :2] * 2 if target == "amounts" else getattr(data, target)
    made = make()
    return data, made(data.features, goal) if callable(made) else made.fit(data.features, goal)


def _scaled(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


def _of_words(model: Any) -> Any:
    """Strings and numbers by name, as most tables come."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = [
        ("numbers", numbers, ["area", "age", "rooms"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["town", "street"]),
    ]
    return make_pipeline(ColumnTransformer(columns), model)


def _of_notes(vectorizer: Any, model: Any) -> Any:
    return make_pipeline(ColumnTransformer([("note", vectorizer, "note")]), model)


def _of_several() -> list[tuple[str, Any]]:
    return [
        ("tree", tree.DecisionTreeClassifier(max_depth=6)),
        ("bayes", naive_bayes.GaussianNB()),
        ("line", _scaled(linear_model.LogisticRegression())),
    ]


def _process(features: Any, target: Any) -> Any:
    """300 rows: its cost grows with their square."""
    return gaussian_process.GaussianProcessRegressor().fit(features[:300], target[:300])


Line = tuple[str, str, str, Callable[[], Any]]
ESTIMATORS: list[Line] = [
    ("LogisticRegression", "measured", "classes", lambda: _scaled(linear_model.LogisticRegression())),
    ("LinearRegression", "measured", "amount", linear_model.LinearRegression),
    ("Ridge", "measured", "amount", linear_model.Ridge),
    ("LinearSVC", "measured", "classes", lambda: _scaled(svm.LinearSVC())),
    ("SGDClassifier", "measured", "classes", lambda: _scaled(linear_model.SGDClassifier())),
    ("PolynomialFeatures, Ridge", "measured", "amount", lambda: make_pipeline(PolynomialFeatures(), linear_model.Ridge())),
    ("PCA, LogisticRegression", "measured", "classes", lambda: make_pipeline(PCA(3), linear_model.LogisticRegression())),
    ("SVC", "measured", "classes", lambda: _scaled(svm.SVC())),
    ("SVR", "measured", "amount", lambda: _scaled(svm.SVR())),
    ("KNeighborsClassifier, kd_tree", "measured", "classes", lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree")),
    ("KNeighborsClassifier, brute", "measured", "classes", lambda: neighbors.KNeighborsClassifier(algorithm="brute")),
    ("KNeighborsRegressor, kd_tree", "measured", "amount", lambda: neighbors.KNeighborsRegressor(algorithm="kd_tree")),
    ("KNeighborsRegressor, brute", "measured", "amount", lambda: neighbors.KNeighborsRegressor(algorithm="brute")),
    ("KMeans", "measured", "amount", lambda: cluster.KMeans(8)),
    ("MiniBatchKMeans", "measured", "amount", lambda: cluster.MiniBatchKMeans(8)),
    ("DecisionTreeClassifier", "measured", "classes", tree.DecisionTreeClassifier),
    ("RandomForestClassifier, n_jobs=-1", "measured", "classes", lambda: ensemble.RandomForestClassifier(**_ALL_CORES)),
    ("RandomForestRegressor", "measured", "amount", lambda: ensemble.RandomForestRegressor(**_HUNDRED)),
    ("ExtraTreesClassifier", "measured", "classes", lambda: ensemble.ExtraTreesClassifier(**_HUNDRED)),
    ("GradientBoostingClassifier", "measured", "classes", lambda: ensemble.GradientBoostingClassifier(**_HUNDRED)),
    ("HistGradientBoostingClassifier", "measured", "classes", ensemble.HistGradientBoostingClassifier),
    ("AdaBoostClassifier", "measured", "classes", lambda: ensemble.AdaBoostClassifier(**_HUNDRED)),
    ("BaggingClassifier, n_jobs=-1", "measured", "classes", lambda: ensemble.BaggingClassifier(n_jobs=-1)),
    ("VotingClassifier, soft", "measured", "classes", lambda: ensemble.VotingClassifier(_of_several(), voting="soft")),
    ("StackingClassifier", "measured", "classes", lambda: ensemble.StackingClassifier(_of_several())),
    ("CalibratedClassifierCV", "measured", "classes", lambda: CalibratedClassifierCV(_scaled(svm.LinearSVC()))),
    ("OneVsRestClassifier", "measured", "classes", lambda: OneVsRestClassifier(linear_model.LogisticRegression(max_iter=1000))),
    ("MultiOutputRegressor", "measured", "amounts", lambda: MultiOutputRegressor(linear_model.Ridge())),
    ("GaussianNB", "measured", "classes", naive_bayes.GaussianNB),
    ("MultinomialNB", "counts", "classes", naive_bayes.MultinomialNB),
    ("CountVectorizer, MultinomialNB", "notes", "classes", lambda: _of_notes(CountVectorizer(), naive_bayes.MultinomialNB())),
    ("TfidfVectorizer, LogisticRegression", "notes", "classes", lambda: _of_notes(TfidfVectorizer(), linear_model.LogisticRegression())),
    ("LinearDiscriminantAnalysis", "measured", "classes", discriminant_analysis.LinearDiscriminantAnalysis),
    ("QuadraticDiscriminantAnalysis", "measured", "classes", discriminant_analysis.QuadraticDiscriminantAnalysis),
    ("MLPClassifier", "measured", "classes", lambda: _scaled(neural_network.MLPClassifier((32, 16), max_iter=50))),
    ("GaussianProcessRegressor", "measured", "amount", lambda: _process),
    ("AdaBoostRegressor", "measured", "amount", lambda: ensemble.AdaBoostRegressor(random_state=0)),
    ("IsolationForest", "measured", "amount", lambda: ensemble.IsolationForest(**_HUNDRED)),
    ("ColumnTransformer, LogisticRegression", "words", "classes", lambda: _of_words(linear_model.LogisticRegression(max_iter=500))),
    ("ColumnTransformer, RandomForest", "words", "classes", lambda: _of_words(ensemble.RandomForestClassifier(**_HUNDRED))),
    ("XGBClassifier", "measured", "classes", lambda: xgb.XGBClassifier(n_jobs=1, **_HUNDRED)),
    ("xgboost.train", "measured", "amount", lambda: lambda features, target: xgb.train({"nthread": 1}, xgb.DMatrix(features, target), 100)),
    ("LGBMClassifier", "measured", "classes", lambda: lgb.LGBMClassifier(verbose=-1, n_jobs=1)),
    ("lightgbm.train", "measured", "amount", lambda: lambda features, target: lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(features, target), 100)),
]  # fmt: skip
"""Name, table, target, and what makes the model. CatBoost is not among the project's packages."""
