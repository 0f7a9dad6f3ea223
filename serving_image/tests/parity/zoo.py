"""The models that are compared: families, each on the data on which it went wrong somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from serving_image.tests.parity.data import TABLES, Table
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

_SMALL = {"n_estimators": 15, "random_state": 0}
_QUIET = {**_SMALL, "verbose": -1}


@dataclass(frozen=True)
class Entry:
    """A model to compare: `make` fits it on the table's features and its `target`."""

    name: str
    table: str
    target: str
    predict_fn: str
    compiled: bool
    make: Callable[[], Any]

    def fit(self) -> tuple[Table, Any]:
        table = TABLES[self.table]()
        name, _, form = self.target.partition(" ")
        target = _FORMS[form](getattr(table, name))
        made = self.make()
        if callable(made):  # a Booster, which is trained by a function
            return table, made(table.features, target)
        return table, made.fit(table.features, target)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "": lambda target: target,
    "texts": lambda target: np.array(["low", "middle", "high"])[target],
    "truths": lambda target: target.astype(bool),
    "floats": lambda target: target.astype(float),
    "positive": lambda target: np.abs(target).round(),
    "twice": lambda target: np.column_stack([target, target[::-1]]),
}
"""What is predicted, made of a target of the table."""


def _of_words(sparse: float, model: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["area", "age"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["town", "street"]),
            ("rest", "passthrough", ["rooms"]),
        ],
        sparse_threshold=sparse,
    )
    return make_pipeline(columns, model)


def _of_codes(model: Any) -> Any:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("codes", codes, ["town", "street"])], remainder="passthrough")
    return make_pipeline(columns, model)


def _several() -> list[tuple[str, Any]]:
    return [
        ("tree", tree.DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("bayes", naive_bayes.GaussianNB()),
        ("line", make_pipeline(StandardScaler(), linear_model.LogisticRegression())),
    ]


def _several_regressors() -> list[tuple[str, Any]]:
    return [
        ("tree", tree.DecisionTreeRegressor(max_depth=5, random_state=0)),
        ("line", make_pipeline(StandardScaler(), linear_model.Ridge())),
        ("boosted", xgb.XGBRegressor(**_SMALL)),
    ]


def _process(features: Any, target: Any) -> Any:
    """Fitted to 200 rows, since the work grows with their cube."""
    return GaussianProcessRegressor().fit(features[:200], target[:200])


def _of_notes(model: Any) -> Any:
    columns = ColumnTransformer([("note", TfidfVectorizer(), "note")], remainder="passthrough")
    return make_pipeline(columns, model)


def _xgb_train(**settings: Any) -> Callable[..., Any]:
    return lambda features, target: xgb.train(settings, xgb.DMatrix(features, target), 15)


def _lgb_train(**settings: Any) -> Callable[..., Any]:
    return lambda features, target: lgb.train(
        {**settings, "verbose": -1}, lgb.Dataset(features, target), 15
    )


def entries() -> Iterator[Entry]:
    """Yield all entries: classifiers with labels and with probabilities, then the others."""
    for name, table, target, compiled, make in _CLASSIFIERS:
        yield Entry(name, table, target, "predict", compiled, make)
        yield Entry(name, table, target, "predict_proba", compiled, make)
    for name, table, target, compiled, make in _OTHERS:
        yield Entry(name, table, target, "predict", compiled, make)


LEFT_OUT = (
    "CatBoost is in none of the images",
    "PyTorch and Keras are in images of their own: serving_image/tests/models/test_variants.py",
)
"""Families that the server loads, and which are not compared here."""
_Line = tuple[str, str, str, bool, Callable[[], Any]]
_CLASSIFIERS: list[_Line] = [
    ("LogisticRegression", "measured", "classes", True, lambda: make_pipeline(StandardScaler(), linear_model.LogisticRegression())),
    ("LogisticRegression, two", "counts", "pair", True, lambda: linear_model.LogisticRegression()),
    ("LogisticRegression, float32", "float32", "classes texts", True, lambda: make_pipeline(RobustScaler(), linear_model.LogisticRegression())),
    ("LogisticRegression, sparse", "words", "classes", True, lambda: _of_words(0.3, linear_model.LogisticRegression(max_iter=500))),
    ("LogisticRegression, dense", "words", "pair", True, lambda: _of_words(0, linear_model.LogisticRegression(max_iter=500))),
    ("DecisionTree", "rounded", "classes", True, lambda: tree.DecisionTreeClassifier(random_state=0)),
    ("DecisionTree, scaled", "days", "classes", True, lambda: make_pipeline(StandardScaler(), tree.DecisionTreeClassifier(random_state=0))),
    ("DecisionTree, identifiers", "identifiers", "pair", True, lambda: tree.DecisionTreeClassifier(random_state=0)),
    ("RandomForest", "rounded", "classes texts", True, lambda: ensemble.RandomForestClassifier(**_SMALL)),
    ("RandomForest, gaps", "gaps", "pair", True, lambda: ensemble.RandomForestClassifier(**_SMALL)),
    ("RandomForest, sparse", "words", "classes", True, lambda: _of_words(0.3, ensemble.RandomForestClassifier(**_SMALL))),
    ("RandomForest, scaled float32", "float32", "classes", True, lambda: make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(**_SMALL))),
    ("ExtraTrees", "seconds", "classes", True, lambda: ensemble.ExtraTreesClassifier(**_SMALL)),
    ("GradientBoosting", "days", "classes", True, lambda: ensemble.GradientBoostingClassifier(**_SMALL)),
    ("GradientBoosting, exponential", "rounded", "pair", True, lambda: ensemble.GradientBoostingClassifier(loss="exponential", **_SMALL)),
    ("HistGradientBoosting", "seconds", "pair", True, lambda: ensemble.HistGradientBoostingClassifier(max_iter=15)),
    ("HistGradientBoosting, gaps", "gaps", "classes texts", True, lambda: ensemble.HistGradientBoostingClassifier(max_iter=15)),
    ("HistGradientBoosting, codes", "words", "classes", True, lambda: _of_codes(ensemble.HistGradientBoostingClassifier(max_iter=15))),
    ("XGBoost", "rounded", "classes", True, lambda: xgb.XGBClassifier(**_SMALL)),
    ("XGBoost, scaled", "rounded", "classes", True, lambda: make_pipeline(StandardScaler(), xgb.XGBClassifier(**_SMALL))),
    ("XGBoost, scaled, two", "days", "pair", True, lambda: make_pipeline(MinMaxScaler(), xgb.XGBClassifier(**_SMALL))),
    ("XGBoost, sparse", "words", "classes", True, lambda: _of_words(0.3, xgb.XGBClassifier(**_SMALL))),
    ("XGBoost, dense", "words", "pair", True, lambda: _of_words(0, xgb.XGBClassifier(**_SMALL))),
    ("XGBoost, gaps", "gaps", "pair", True, lambda: xgb.XGBClassifier(**_SMALL)),
    ("LightGBM", "rounded", "classes texts", True, lambda: lgb.LGBMClassifier(**_QUIET)),
    ("LightGBM, days", "days", "classes", True, lambda: lgb.LGBMClassifier(**_QUIET)),
    ("LightGBM, gaps", "gaps", "pair", True, lambda: lgb.LGBMClassifier(**_QUIET)),
    ("LightGBM, sparse", "words", "classes", True, lambda: _of_words(0.3, lgb.LGBMClassifier(**_QUIET))),
    ("KNeighbors", "measured", "classes", False, lambda: make_pipeline(StandardScaler(), neighbors.KNeighborsClassifier())),
    ("GaussianNB", "measured", "classes", True, lambda: naive_bayes.GaussianNB()),
    ("MLP", "measured", "classes", True, lambda: make_pipeline(StandardScaler(), neural_network.MLPClassifier((8,), max_iter=100, random_state=0))),
    ("AdaBoost", "rounded", "pair", True, lambda: ensemble.AdaBoostClassifier(**_SMALL)),
    ("AdaBoost, several", "days", "classes texts", True, lambda: ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), **_SMALL)),
    ("Bagging", "rounded", "pair truths", True, lambda: ensemble.BaggingClassifier(random_state=0)),
    ("Bagging, gaps", "gaps", "classes", True, lambda: ensemble.BaggingClassifier(max_features=0.6, random_state=0)),
    ("Bagging, scaled", "measured", "classes", True, lambda: ensemble.BaggingClassifier(make_pipeline(StandardScaler(), linear_model.LogisticRegression()), 4, max_features=0.7, random_state=0)),
    ("Voting", "rounded", "pair", True, lambda: ensemble.VotingClassifier(_several(), voting="soft", weights=[2, 1, 1])),
    ("Voting, words", "words", "classes texts", True, lambda: ensemble.VotingClassifier([("line", _of_words(0, linear_model.LogisticRegression(max_iter=500))), ("trees", _of_codes(ensemble.HistGradientBoostingClassifier(max_iter=5)))], voting="soft")),
    ("Stacking", "days", "classes texts", True, lambda: ensemble.StackingClassifier(_several(), cv=2)),
    ("Stacking, two", "rounded", "pair truths", True, lambda: ensemble.StackingClassifier(_several(), cv=2)),
    ("Stacking, trees on top", "rounded", "pair", False, lambda: ensemble.StackingClassifier(_several(), tree.DecisionTreeClassifier(), cv=2)),
    ("Calibrated", "measured", "pair", True, lambda: CalibratedClassifierCV(svm.LinearSVC(), cv=2)),
    ("Calibrated, several", "measured", "classes", True, lambda: CalibratedClassifierCV(make_pipeline(StandardScaler(), linear_model.SGDClassifier(random_state=0)), cv=3)),
    ("Calibrated, isotonic", "rounded", "classes texts", True, lambda: CalibratedClassifierCV(ensemble.RandomForestClassifier(**_SMALL), method="isotonic", cv=2)),
    ("OneVsRest", "measured", "classes texts", True, lambda: OneVsRestClassifier(linear_model.LogisticRegression(max_iter=500))),
    ("OneVsRest, trees", "days", "classes", True, lambda: OneVsRestClassifier(tree.DecisionTreeClassifier(max_depth=4))),
    ("LinearDiscriminantAnalysis", "measured", "classes floats", True, lambda: LinearDiscriminantAnalysis()),
    ("LinearDiscriminantAnalysis, two", "rounded", "pair", True, lambda: LinearDiscriminantAnalysis()),
    ("QuadraticDiscriminantAnalysis", "measured", "classes", True, lambda: QuadraticDiscriminantAnalysis()),
    ("MultinomialNB", "counts", "classes", True, lambda: naive_bayes.MultinomialNB()),
    ("ComplementNB", "counts", "pair truths", True, lambda: naive_bayes.ComplementNB()),
    ("BernoulliNB", "counts", "pair", False, lambda: naive_bayes.BernoulliNB(binarize=3)),
    ("Polynomial, logistic", "rounded", "classes", True, lambda: make_pipeline(StandardScaler(), PolynomialFeatures(3, include_bias=False), linear_model.LogisticRegression(max_iter=500))),
    ("SelectKBest, trees", "days", "classes", True, lambda: make_pipeline(SelectKBest(k=1), StandardScaler(), tree.DecisionTreeClassifier(random_state=0))),
    ("KBins", "rounded", "classes", True, lambda: make_pipeline(KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), linear_model.LogisticRegression(max_iter=500))),
    ("KBins, ordinal", "seconds", "pair", True, lambda: make_pipeline(KBinsDiscretizer(6, encode="ordinal", quantile_method="averaged_inverted_cdf"), tree.DecisionTreeClassifier(random_state=0))),
    ("RandomForest, truths", "rounded", "pair truths", True, lambda: ensemble.RandomForestClassifier(n_jobs=2, **_SMALL)),
    ("RandomForest, floats", "counts", "classes floats", True, lambda: ensemble.RandomForestClassifier(**_SMALL)),
    ("Tfidf", "notes", "classes texts", False, lambda: _of_notes(linear_model.LogisticRegression(max_iter=500))),
]  # fmt: skip
_OTHERS: list[_Line] = [
    ("SVC", "measured", "classes", True, lambda: make_pipeline(StandardScaler(), svm.SVC())),
    ("LinearSVC", "measured", "classes texts", True, lambda: make_pipeline(MaxAbsScaler(), svm.LinearSVC())),
    ("RidgeClassifier", "counts", "pair", True, lambda: linear_model.RidgeClassifier()),
    ("SGDClassifier", "measured", "classes", True, lambda: make_pipeline(StandardScaler(), linear_model.SGDClassifier(random_state=0))),
    ("LinearRegression", "measured", "amount", True, lambda: linear_model.LinearRegression()),
    ("LinearRegression, identifiers", "identifiers", "amount", True, lambda: linear_model.LinearRegression()),
    ("Ridge, words", "words", "amount", True, lambda: _of_words(0.3, linear_model.Ridge())),
    ("Lasso", "days", "amount", True, lambda: make_pipeline(StandardScaler(), linear_model.Lasso())),
    ("ElasticNet, float32", "float32", "amount", True, lambda: make_pipeline(MinMaxScaler(clip=True), linear_model.ElasticNet())),
    ("Polynomial", "measured", "amount", True, lambda: make_pipeline(PolynomialFeatures(2), linear_model.Ridge())),
    ("PCA", "measured", "amount", True, lambda: make_pipeline(PCA(3), linear_model.LinearRegression())),
    ("SVR", "measured", "amount", True, lambda: make_pipeline(StandardScaler(), svm.SVR())),
    ("KMeans", "measured", "amount", False, lambda: KMeans(4, random_state=0)),
    ("DecisionTreeRegressor, scaled", "days", "amount", True, lambda: make_pipeline(StandardScaler(), tree.DecisionTreeRegressor(random_state=0))),
    ("RandomForestRegressor", "days", "amount", True, lambda: ensemble.RandomForestRegressor(**_SMALL)),
    ("RandomForestRegressor, words", "words", "amount", True, lambda: _of_words(0, ensemble.RandomForestRegressor(**_SMALL))),
    ("ExtraTreesRegressor", "identifiers", "amount", True, lambda: ensemble.ExtraTreesRegressor(**_SMALL)),
    ("GradientBoostingRegressor", "seconds", "amount", True, lambda: ensemble.GradientBoostingRegressor(**_SMALL)),
    ("HistGradientBoostingRegressor", "days", "amount", True, lambda: ensemble.HistGradientBoostingRegressor(max_iter=15)),
    ("HistGradientBoostingRegressor, rounded", "rounded", "amount", True, lambda: ensemble.HistGradientBoostingRegressor(max_iter=15)),
    ("HistGradientBoostingRegressor, poisson", "counts", "amount positive", True, lambda: ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=15)),
    ("HistGradientBoostingRegressor, categories", "counts", "amount", False, lambda: ensemble.HistGradientBoostingRegressor(max_iter=15, categorical_features=["w"])),
    ("XGBRegressor", "days", "amount", True, lambda: xgb.XGBRegressor(**_SMALL)),
    ("XGBRegressor, float32", "float32", "amount", True, lambda: make_pipeline(StandardScaler(), xgb.XGBRegressor(**_SMALL))),
    ("XGBRegressor, identifiers", "identifiers", "amount", True, lambda: xgb.XGBRegressor(**_SMALL)),
    ("XGBRegressor, poisson", "counts", "amount positive", True, lambda: xgb.XGBRegressor(objective="count:poisson", **_SMALL)),
    ("XGBRegressor, linear", "measured", "amount", False, lambda: xgb.XGBRegressor(booster="gblinear", n_estimators=15)),
    ("xgboost.train, binary", "seconds", "pair", True, lambda: _xgb_train(objective="binary:logistic")),
    ("xgboost.train, softprob", "rounded", "classes", True, lambda: _xgb_train(objective="multi:softprob", num_class=3)),
    ("xgboost.train, softmax", "gaps", "classes", True, lambda: _xgb_train(objective="multi:softmax", num_class=3)),
    ("xgboost.train, dart", "rounded", "amount", False, lambda: _xgb_train(booster="dart", rate_drop=0.2)),
    ("LGBMRegressor", "days", "amount", True, lambda: lgb.LGBMRegressor(**_QUIET)),
    ("LGBMRegressor, identifiers", "identifiers", "amount", True, lambda: lgb.LGBMRegressor(**_QUIET)),
    ("LGBMRegressor, rf", "rounded", "amount", True, lambda: lgb.LGBMRegressor(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **_QUIET)),
    ("LGBMRegressor, linear trees", "rounded", "amount", False, lambda: lgb.LGBMRegressor(linear_tree=True, **_QUIET)),
    ("lightgbm.train, days", "days", "amount", True, lambda: _lgb_train(objective="regression")),
    ("lightgbm.train, zeros missing", "counts", "amount", False, lambda: _lgb_train(objective="regression", zero_as_missing=True)),
    ("lightgbm.train, multiclass", "seconds", "classes", True, lambda: _lgb_train(objective="multiclass", num_class=3)),
    ("lightgbm.train, binary float32", "float32", "pair", True, lambda: _lgb_train(objective="binary")),
    ("lightgbm.train, tweedie", "counts", "amount positive", True, lambda: _lgb_train(objective="tweedie")),
    ("Voting, hard", "rounded", "classes texts", True, lambda: ensemble.VotingClassifier(_several())),
    ("VotingRegressor", "rounded", "amount", True, lambda: ensemble.VotingRegressor(_several_regressors(), weights=[3, 1, 2])),
    ("StackingRegressor", "days", "amount", True, lambda: ensemble.StackingRegressor(_several_regressors(), cv=2)),
    ("BaggingRegressor", "days", "amount", True, lambda: ensemble.BaggingRegressor(random_state=0)),
    ("AdaBoostRegressor", "rounded", "amount", True, lambda: ensemble.AdaBoostRegressor(**_SMALL)),
    ("IsolationForest", "rounded", "amount", True, lambda: ensemble.IsolationForest(**_SMALL)),
    ("IsolationForest, features", "seconds", "amount", True, lambda: ensemble.IsolationForest(max_features=0.5, max_samples=50, **_SMALL)),
    ("MultiOutputRegressor", "measured", "amount twice", True, lambda: MultiOutputRegressor(ensemble.GradientBoostingRegressor(**_SMALL))),
    ("LinearRegression, two outputs", "measured", "amount twice", True, lambda: linear_model.LinearRegression()),
    ("Ridge, two outputs, words", "words", "amount twice", True, lambda: _of_words(0.3, linear_model.Ridge())),
    ("RandomForestRegressor, two outputs", "days", "amount twice", True, lambda: ensemble.RandomForestRegressor(**_SMALL)),
    ("DecisionTreeRegressor, two outputs", "gaps", "amount twice", True, lambda: tree.DecisionTreeRegressor(random_state=0)),
    ("MLPRegressor, two outputs", "measured", "amount twice", True, lambda: make_pipeline(StandardScaler(), neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, random_state=0))),
    ("XGBRegressor, two outputs", "rounded", "amount twice", False, lambda: xgb.XGBRegressor(**_SMALL)),
    ("KNeighborsRegressor, two outputs", "rounded", "amount twice", False, lambda: neighbors.KNeighborsRegressor()),
    ("MultiOutputClassifier", "counts", "classes twice", True, lambda: MultiOutputClassifier(tree.DecisionTreeClassifier(max_depth=4))),
    ("SelectFromModel", "rounded", "amount", True, lambda: make_pipeline(SelectFromModel(linear_model.Lasso()), Normalizer(), ensemble.HistGradientBoostingRegressor(max_iter=15))),
    ("SVC, truths", "rounded", "pair truths", True, lambda: make_pipeline(StandardScaler(), svm.SVC())),
    ("XGBRegressor, codes", "words", "amount", True, lambda: _of_codes(xgb.XGBRegressor(**_SMALL))),
    ("GaussianProcess", "counts", "amount", False, lambda: _process),
]  # fmt: skip
