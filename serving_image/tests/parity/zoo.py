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
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
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
        target = getattr(table, self.target.partition(" ")[0])
        if self.target.endswith(" texts"):
            target = np.array(["low", "middle", "high"])[target]
        if self.target.endswith(" positive"):
            target = np.abs(target).round()
        made = self.make()
        if callable(made):  # a Booster, which is trained by a function
            return table, made(table.features, target)
        return table, made.fit(table.features, target)


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
    ("AdaBoost", "rounded", "pair", False, lambda: ensemble.AdaBoostClassifier(**_SMALL)),
    ("Voting", "rounded", "pair", False, lambda: ensemble.VotingClassifier([("tree", tree.DecisionTreeClassifier(max_depth=3)), ("nb", naive_bayes.GaussianNB())], voting="soft")),
    ("Calibrated", "measured", "pair", False, lambda: CalibratedClassifierCV(svm.LinearSVC())),
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
    ("Polynomial", "measured", "amount", False, lambda: make_pipeline(PolynomialFeatures(2), linear_model.Ridge())),
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
]  # fmt: skip
