"""Steps of scikit-learn's models that consist of other models.

`plan_of` is that of from_sklearn.py, for the models inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servestack_server.models.compiled.answers import Column, Divide, Label, Numbered
from servestack_server.models.compiled.flow import Flow, as_array, name_of, only_predict
from servestack_server.models.compiled.sklearn_trees import all_trees, bagged_trees
from servestack_server.models.compiled.steps import Step
from servestack_server.models.compiled.together import (
    Apart,
    Average,
    Beside,
    Calibrated,
    Interpolate,
    Logistic,
    MostVotes,
    Shares,
    Stacked,
    Total,
)
from servestack_server.models.not_converted import NotConvertedError

PlanOf = Callable[[Any, str, Flow], list[Step]]
_SMOOTH = (
    "sklearn.LogisticRegression", "sklearn.LogisticRegressionCV",
    "sklearn.LinearRegression", "sklearn.Ridge", "sklearn.RidgeCV", "sklearn.RidgeClassifier",
    "sklearn.RidgeClassifierCV", "sklearn.ElasticNet", "sklearn.ElasticNetCV", "sklearn.Lasso",
    "sklearn.LassoCV",
)  # fmt: skip
"""Models whose answer changes smoothly with their input."""


def voting(model: Any, predict_fn: str, flow: Flow, plan_of: PlanOf) -> list[Step]:
    soft = getattr(model, "voting", "") == "soft"
    is_classifier = hasattr(model, "classes_")
    if predict_fn == "predict_proba" and not soft:
        raise NotConvertedError("only a soft vote has probabilities")
    asked = "predict_proba" if soft else "predict"
    apart = _apart([plan_of(part, asked, flow) for part in model.estimators_])
    weights = np.array([] if model._weights_not_none is None else model._weights_not_none)
    if not is_classifier:
        return [apart, Average(weights, columns=True)]
    classes = model.le_.classes_
    if not soft:
        return [apart, MostVotes(weights), Numbered(classes)]
    average = Average(weights, columns=False)
    return [apart, average, *([] if predict_fn == "predict_proba" else [Label(classes, "largest")])]


def stacking(model: Any, predict_fn: str, flow: Flow, plan_of: PlanOf) -> list[Step]:
    """The last digits of a share may differ, so the final model has to be smooth."""
    final = model.final_estimator_
    if model.passthrough or name_of(final) not in _SMOOTH:
        raise NotConvertedError(f"stacking below {type(final).__name__} has no plan")
    is_classifier = hasattr(model, "classes_")
    if is_classifier and isinstance(model._label_encoder, list):
        raise NotConvertedError("stacking of several labels has no plan")
    parts = list(zip(model.estimators_, model.stack_method_, strict=True))
    apart = _apart([plan_of(part, method, flow) for part, method in parts])
    two = is_classifier and len(model.classes_) == 2
    dropped = [two and method == "predict_proba" for _, method in parts]
    steps: list[Step] = [apart, Stacked(dropped)]
    steps += plan_of(final, predict_fn, Flow(int(final.n_features_in_)))
    if is_classifier and predict_fn == "predict":
        steps.append(Numbered(model._label_encoder.classes_))
    return steps


def bagging(model: Any, predict_fn: str, flow: Flow, plan_of: PlanOf) -> list[Step]:
    """Answers as with one job: several add their own sums up first."""
    if flow.sparse:
        raise NotConvertedError("bagging of a sparse matrix has no plan")
    before, flow = as_array(flow)
    is_classifier = hasattr(model, "classes_")
    asked = "predict_proba" if is_classifier else "predict"
    for part in model.estimators_ if is_classifier else ():
        if not hasattr(part, "predict_proba"):
            raise NotConvertedError("a bagging of votes has no plan")
        if len(part.classes_) != len(model.classes_):
            raise NotConvertedError("a part of the bagging knows only some of the classes")
    if all_trees(model.estimators_):
        return before + bagged_trees(model, predict_fn == "predict_proba", flow)
    parts = []
    for part, features in zip(model.estimators_, model.estimators_features_, strict=True):
        parts.append((plan_of(part, asked, Flow(len(features))), np.asarray(features).tolist()))
    apart = Apart([steps for steps, _ in parts], [features for _, features in parts])
    steps: list[Step] = [*before, apart, Total(), Divide(float(len(parts)))]
    if not is_classifier:
        only_predict(model, predict_fn == "predict_proba")
        return steps
    labels = [] if predict_fn == "predict_proba" else [Label(model.classes_, "largest")]
    return steps + labels


def calibrated(model: Any, predict_fn: str, flow: Flow, plan_of: PlanOf) -> list[Step]:
    parts = [
        [*_scores(part.estimator, flow, plan_of), *_calibration(part, len(model.classes_))]
        for part in model.calibrated_classifiers_
    ]
    steps: list[Step] = [_apart(parts), Total(), Divide(float(len(parts)))]
    return steps if predict_fn == "predict_proba" else [*steps, Label(model.classes_, "largest")]


def _calibration(part: Any, classes: int) -> list[Step]:
    if len(part.estimator.classes_) != classes:
        raise NotConvertedError("a part of the calibration knows only some of the classes")
    by_class = part.calibrators
    if part.method == "sigmoid":
        slopes, intercepts = (
            np.array([float(getattr(own, name)) for own in by_class]) for name in ("a_", "b_")
        )
        return [Logistic(slopes, intercepts), Calibrated()]
    if part.method != "isotonic":
        raise NotConvertedError(f"calibration by {part.method} has no plan")
    if not (hasattr(part.estimator, "decision_function") or _adds_leaves(part.estimator)):
        raise NotConvertedError("isotonic calibration of computed probabilities has no plan")
    points = []
    for own in by_class:
        xs, ys = own.X_thresholds_, own.y_thresholds_
        if len(xs) < 2 or xs.dtype != np.float64 or (xs[0], xs[-1]) != (own.X_min_, own.X_max_):
            raise NotConvertedError("this isotonic calibration has no plan")
        points.append((xs, ys))
    return [Interpolate([xs for xs, _ in points], [ys for _, ys in points]), Calibrated()]


def _adds_leaves(model: Any) -> bool:
    """Whether its probabilities are sums of leaves: the last digit of others may differ, and an
    isotonic step can be as steep as one such digit."""
    last = model.steps[-1][1] if name_of(model) == "sklearn.Pipeline" else model
    forests = ("sklearn.RandomForestClassifier", "sklearn.ExtraTreesClassifier")
    return all_trees([last]) or name_of(last) in forests


def _scores(model: Any, flow: Flow, plan_of: PlanOf) -> list[Step]:
    """Return the steps to what scikit-learn calls the response: scores, or else probabilities."""
    if hasattr(model, "decision_function"):
        return plan_of(model, "decision_function", flow)
    shares = plan_of(model, "predict_proba", flow)
    return [*shares, *([Column(1)] if len(model.classes_) == 2 else [])]


def one_vs_rest(model: Any, predict_fn: str, flow: Flow, plan_of: PlanOf) -> list[Step]:
    if model.label_binarizer_.y_type_ != "multiclass":
        raise NotConvertedError("one against the rest of two or several labels has no plan")
    if any(not hasattr(part, "classes_") for part in model.estimators_):
        raise NotConvertedError("one against the rest by regressors has no plan")
    if predict_fn == "predict_proba":
        parts = [[*plan_of(part, predict_fn, flow), Column(1)] for part in model.estimators_]
        return [_apart(parts), Beside(), Shares()]
    parts = [_scores(part, flow, plan_of) for part in model.estimators_]
    return [_apart(parts), Beside(), Label(model.classes_, "largest")]


def multi_output(model: Any, predict_fn: str, flow: Flow, plan_of: PlanOf) -> list[Step]:
    only_predict(model, predict_fn == "predict_proba")
    return [_apart([plan_of(part, "predict", flow) for part in model.estimators_]), Beside()]


def _apart(parts: list[list[Step]]) -> Apart:
    return Apart(parts, [])
