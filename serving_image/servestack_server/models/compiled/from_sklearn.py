"""Plans of scikit-learn's estimators, and of what stands in its pipelines.

Read in scikit-learn 1.9. An estimator or a setting that is not named here has no plan, a subclass
included: it may do something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servestack_server.models.compiled import boosters, ensembles, plain_models, sklearn_trees
from servestack_server.models.compiled.flow import Flow, as_array, name_of
from servestack_server.models.compiled.steps import Step
from servestack_server.models.compiled.transformers import chain
from servestack_server.models.not_converted import NotConvertedError


def plan_of(estimator: Any, predict_fn: str, flow: Flow) -> list[Step]:
    """Return the steps of a fitted estimator. Raises NotConvertedError if one has no plan."""
    if name_of(estimator) == "sklearn.Pipeline":
        steps, flow = chain([part for _, part in estimator.steps[:-1]], flow)
        return steps + plan_of(estimator.steps[-1][1], predict_fn, flow)
    name = name_of(estimator)
    if name not in _MODELS and name not in _COMPOSED:
        raise NotConvertedError(f"{type(estimator).__name__} has no plan")
    is_known = predict_fn in ("predict", "predict_proba") or (
        predict_fn == "decision_function" and name in _LINEAR_CLASSIFIERS
    )
    if not is_known:
        raise NotConvertedError(f"{predict_fn} of {type(estimator).__name__} has no plan")
    if name in _COMPOSED:
        return _COMPOSED[name](estimator, predict_fn, flow, plan_of)
    if int(estimator.n_features_in_) != flow.width:
        raise NotConvertedError("the model takes another number of features")
    before, flow = as_array(flow)
    if predict_fn == "decision_function":
        return before + plain_models.linear_scores(estimator, flow)
    return before + _MODELS[name](estimator, predict_fn == "predict_proba", flow)


def _xgboost(model: Any, proba: bool, flow: Flow) -> list[Step]:
    if not (isinstance(model.missing, float) and np.isnan(model.missing)):
        raise NotConvertedError("XGBoost with a value for missing has no plan")
    return boosters.xgboost_wrapper(model, proba, flow.width, sparse=flow.sparse)


def _lightgbm(model: Any, proba: bool, flow: Flow) -> list[Step]:
    return boosters.lightgbm_wrapper(model, proba, flow.width)


_LINEAR_CLASSIFIERS = (
    "sklearn.LinearSVC", "sklearn.RidgeClassifier", "sklearn.RidgeClassifierCV",
    "sklearn.SGDClassifier", "sklearn.Perceptron", "sklearn.PassiveAggressiveClassifier",
    "sklearn.LogisticRegression", "sklearn.LogisticRegressionCV",
    "sklearn.LinearDiscriminantAnalysis",
)  # fmt: skip
_Model = Callable[[Any, bool, Flow], list[Step]]
_MODELS: dict[str, _Model] = {
    **dict.fromkeys(
        (
            "sklearn.LinearRegression", "sklearn.Ridge", "sklearn.RidgeCV", "sklearn.Lasso",
            "sklearn.LassoCV", "sklearn.ElasticNet", "sklearn.ElasticNetCV", "sklearn.Lars",
            "sklearn.BayesianRidge", "sklearn.HuberRegressor", "sklearn.TheilSenRegressor",
        ),
        plain_models.linear_regressor,
    ),
    **dict.fromkeys(_LINEAR_CLASSIFIERS[:6], plain_models.linear_classifier),
    **dict.fromkeys(_LINEAR_CLASSIFIERS[6:], plain_models.logistic),
    **dict.fromkeys(
        (
            "sklearn.DecisionTreeClassifier", "sklearn.DecisionTreeRegressor",
            "sklearn.ExtraTreeClassifier", "sklearn.ExtraTreeRegressor",
            "sklearn.RandomForestClassifier", "sklearn.RandomForestRegressor",
            "sklearn.ExtraTreesClassifier", "sklearn.ExtraTreesRegressor",
        ),
        sklearn_trees.forest,
    ),
    **dict.fromkeys(
        ("sklearn.GradientBoostingClassifier", "sklearn.GradientBoostingRegressor"),
        sklearn_trees.gradient_boosting,
    ),
    **dict.fromkeys(
        ("sklearn.HistGradientBoostingClassifier", "sklearn.HistGradientBoostingRegressor"),
        sklearn_trees.hist_gradient_boosting,
    ),
    **dict.fromkeys(("sklearn.MLPClassifier", "sklearn.MLPRegressor"), plain_models.perceptron),
    **dict.fromkeys(
        ("sklearn.SVC", "sklearn.NuSVC", "sklearn.SVR", "sklearn.NuSVR"),
        plain_models.support_vectors,
    ),
    **dict.fromkeys(
        ("sklearn.AdaBoostClassifier", "sklearn.AdaBoostRegressor"), sklearn_trees.ada_boost
    ),
    "sklearn.IsolationForest": sklearn_trees.isolation_forest,
    "sklearn.GaussianNB": plain_models.gaussian_bayes,
    **dict.fromkeys(("sklearn.MultinomialNB", "sklearn.ComplementNB"), plain_models.discrete_bayes),
    "sklearn.QuadraticDiscriminantAnalysis": plain_models.quadratic_discriminant,
    **dict.fromkeys(("xgboost.XGBClassifier", "xgboost.XGBRegressor"), _xgboost),
    **dict.fromkeys(("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"), _lightgbm),
}  # fmt: skip
_Composed = Callable[[Any, str, Flow, ensembles.PlanOf], list[Step]]
_COMPOSED: dict[str, _Composed] = {
    **dict.fromkeys(("sklearn.VotingClassifier", "sklearn.VotingRegressor"), ensembles.voting),
    **dict.fromkeys(("sklearn.StackingClassifier", "sklearn.StackingRegressor"), ensembles.stacking),
    **dict.fromkeys(("sklearn.BaggingClassifier", "sklearn.BaggingRegressor"), ensembles.bagging),
    "sklearn.CalibratedClassifierCV": ensembles.calibrated,
    "sklearn.OneVsRestClassifier": ensembles.one_vs_rest,
    **dict.fromkeys(
        ("sklearn.MultiOutputRegressor", "sklearn.MultiOutputClassifier"), ensembles.multi_output
    ),
}  # fmt: skip
