"""Steps of scikit-learn's models without trees: what each of them does in `predict`."""

from __future__ import annotations

from typing import Any

import numpy as np

from servestack_server.models.compiled.answers import (
    Column,
    Label,
    Numbered,
    Pair,
    Sigmoid,
    Softmax,
)
from servestack_server.models.compiled.flow import Flow, name_of, only_predict
from servestack_server.models.compiled.scores import (
    Dense,
    GaussianLikelihood,
    Libsvm,
    Linear,
    QuadraticScores,
)
from servestack_server.models.compiled.steps import Refuse, Step
from servestack_server.models.not_converted import NotConvertedError


def linear_scores(model: Any, flow: Flow) -> list[Step]:
    """Return the steps to scores: (rows,) for one output of a classifier, or for flat coefficients."""
    coefficients = model.coef_.T if model.coef_.ndim == 2 else model.coef_
    if flow.sparse and coefficients.ndim == 1:
        coefficients = coefficients[:, None]
    is_flat = model.coef_.ndim == 1 or hasattr(model, "classes_")
    intercept = np.asarray(model.intercept_)
    return [
        Refuse("", nan=True, infinity=True),
        Linear(coefficients, intercept, sparse=flow.sparse, flat=is_flat),
    ]


def linear_regressor(model: Any, proba: bool, flow: Flow) -> list[Step]:
    only_predict(model, proba)
    return linear_scores(model, flow)


def linear_classifier(model: Any, proba: bool, flow: Flow) -> list[Step]:
    only_predict(model, proba)
    rule = "above" if len(model.classes_) == 2 else "largest"
    return [*linear_scores(model, flow), Label(model.classes_, rule)]


def logistic(model: Any, proba: bool, flow: Flow) -> list[Step]:
    if not proba:
        return linear_classifier(model, proba, flow)
    scores = linear_scores(model, flow)
    return [*scores, *([Sigmoid(), Pair()] if len(model.classes_) == 2 else [Softmax()])]


def perceptron(model: Any, proba: bool, flow: Flow) -> list[Step]:
    _dense_only(model, flow)
    if model.activation not in ("relu", "tanh", "identity"):
        raise NotConvertedError(f"a perceptron of {model.activation} has no plan")
    steps: list[Step] = [
        Refuse("", nan=True, infinity=True),
        Dense(list(model.coefs_), list(model.intercepts_), model.activation),
    ]
    if not hasattr(model, "classes_"):
        only_predict(model, proba)
        return [*steps, Column(-1)] if model.n_outputs_ == 1 else steps
    if model.out_activation_ == "softmax":
        return [*steps, Softmax(), *([] if proba else [Label(model.classes_, "largest")])]
    if model.n_outputs_ != 1:
        raise NotConvertedError("a perceptron of several labels has no plan")
    return [*steps, Sigmoid(), Pair() if proba else Label(model.classes_, "above", 0.5)]


def gaussian_bayes(model: Any, proba: bool, flow: Flow) -> list[Step]:
    _dense_only(model, flow)
    constants = np.array([-0.5 * np.sum(np.log(2.0 * np.pi * own)) for own in model.var_])
    likelihood = GaussianLikelihood(np.log(model.class_prior_), constants, model.theta_, model.var_)
    steps: list[Step] = [Refuse("", nan=True, infinity=True), likelihood]
    return [*steps, Softmax() if proba else Label(model.classes_, "largest")]


def quadratic_discriminant(model: Any, proba: bool, flow: Flow) -> list[Step]:
    _dense_only(model, flow)
    parts = list(zip(model.rotations_, model.scalings_, strict=True))
    scores = QuadraticScores(
        [np.asarray(mean) for mean in model.means_],
        [rotation * (scaling ** (-0.5)) for rotation, scaling in parts],
        np.asarray([np.sum(np.log(scaling)) for _, scaling in parts]),
        np.log(model.priors_),
    )
    steps: list[Step] = [Refuse("", nan=True, infinity=True), scores]
    return [*steps, Softmax() if proba else Label(model.classes_, "largest")]


def discrete_bayes(model: Any, proba: bool, flow: Flow) -> list[Step]:
    """MultinomialNB and ComplementNB. Source: `_joint_log_likelihood` of each."""
    _dense_only(model, flow)
    if len(model.classes_) < 2:
        raise NotConvertedError("a single class has no plan")
    priors = model.class_log_prior_ if name_of(model) == "sklearn.MultinomialNB" else np.zeros(1)
    steps: list[Step] = [
        Refuse("", nan=True, infinity=True),
        Linear(model.feature_log_prob_.T, priors),
    ]
    return [*steps, Softmax() if proba else Label(model.classes_, "largest")]


def support_vectors(model: Any, proba: bool, flow: Flow) -> list[Step]:
    """Source: `BaseLibSVM._dense_predict` and `BaseSVC.predict`."""
    _dense_only(model, flow)
    only_predict(model, proba)
    if callable(model.kernel) or model.kernel == "precomputed" or model._sparse:
        raise NotConvertedError("these support vectors have no plan")
    if getattr(model, "break_ties", False):
        raise NotConvertedError("support vectors that break ties have no plan")
    arrays = [
        model.support_, model.support_vectors_, model._n_support, model._dual_coef_,
        model._intercept_, model._probA, model._probB,
    ]  # fmt: skip
    settings: list[list[Any]] = [
        ["svm_type", _IMPLEMENTATIONS.index(model._impl)],
        ["kernel", model.kernel],
        ["degree", int(model.degree)],
        ["coef0", float(model.coef0)],
        ["gamma", float(model._gamma)],
        ["cache_size", float(model.cache_size)],
    ]
    steps: list[Step] = [
        Refuse("float64", nan=True, infinity=True),
        Libsvm([np.asarray(array) for array in arrays], settings),
    ]
    return [*steps, Numbered(model.classes_)] if hasattr(model, "classes_") else steps


_IMPLEMENTATIONS = ("c_svc", "nu_svc", "one_class", "epsilon_svr", "nu_svr")


def _dense_only(model: Any, flow: Flow) -> None:
    if flow.sparse:
        raise NotConvertedError(f"{type(model).__name__} of a sparse matrix has no plan")
