"""Steps of scikit-learn's trees, forests and boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from servestack_server.models.compiled.answers import (
    Column,
    Difference,
    Divide,
    Exp,
    Isolated,
    Label,
    Opposite,
    Pair,
    Sigmoid,
    Softmax,
)
from servestack_server.models.compiled.flow import Flow, name_of, only_predict
from servestack_server.models.compiled.steps import Refuse, Step
from servestack_server.models.compiled.together import Median
from servestack_server.models.compiled.tree_graphs import Tree
from servestack_server.models.compiled.trees import (
    Trees,
    TreeSums,
    number_leaves,
    round_down,
    sum_of,
)
from servestack_server.models.model import Array
from servestack_server.models.not_converted import NotConvertedError


def _float32(tree: Any) -> Refuse:
    """What a tree of scikit-learn does with its input. Source: `_validate_X_predict`."""
    takes_nan = bool(tree._support_missing_values(np.zeros((1, 1))))
    return Refuse("float32", nan=not takes_nan, infinity=True)


def _read_tree(tree: Any, features: Array | None) -> Tree:
    """`features` are those of the model that the tree takes; None for all."""
    is_leaf = tree.children_left < 0
    feature = tree.feature if features is None else features[np.where(is_leaf, 0, tree.feature)]
    return Tree(
        feature, round_down(tree.threshold), tree.children_left, tree.children_right,
        tree.missing_go_to_left, number_leaves(is_leaf),
    )  # fmt: skip


def _sums(
    trees: list[Any],
    values: list[Array],
    start: Array,
    width: int,
    *,
    features: list[Array] | None = None,
    apart: bool = False,
) -> Trees | TreeSums:
    """`values` has one array of shape (nodes, outputs) for each tree, `features` those it takes."""
    taken: list[Any] = features or [None] * len(trees)
    read = [_read_tree(tree, own) for tree, own in zip(trees, taken, strict=True)]
    leaves = [value[own.leaf >= 0] for value, own in zip(values, read, strict=True)]
    return sum_of(read, leaves, start, width, np.float32, apart=apart)


def forest(model: Any, proba: bool, flow: Flow) -> list[Step]:
    single = hasattr(model, "tree_")
    parts = [model] if single else list(model.estimators_)
    steps = _sum_of_trees(model, parts, flow)
    if not single:
        steps.append(Divide(float(len(parts))))
    return [*steps, *_forest_answer(model, parts[0], proba)]


def _sum_of_trees(
    model: Any, parts: list[Any], flow: Flow, features: list[Array] | None = None
) -> list[Step]:
    """Return the steps to the sum of what the trees answer: shares of classes, or values."""
    outputs = int(parts[0].n_outputs_)
    trees = [part.tree_ for part in parts]
    if not hasattr(model, "classes_"):
        values, width = [tree.value[:, :, 0] for tree in trees], outputs
    elif outputs != 1:
        raise NotConvertedError("trees with labels of several kinds have no plan")
    else:
        width = len(model.classes_)
        values = [tree.value[:, 0, :width] for tree in trees]
    sums = _sums(trees, values, np.zeros(width), flow.width, features=features)
    return [_float32(parts[0]), sums]


def _forest_answer(model: Any, part: Any, proba: bool) -> list[Step]:
    if not hasattr(model, "classes_"):
        only_predict(model, proba)
        return [Column(0)] if int(part.n_outputs_) == 1 else []
    return [] if proba else [Label(model.classes_, "largest")]


def bagged_trees(model: Any, proba: bool, flow: Flow) -> list[Step]:
    """Return the steps of a bagging of trees that know all classes. Source: `sklearn.ensemble._bagging`."""
    parts = list(model.estimators_)
    features = [np.asarray(own) for own in model.estimators_features_]
    steps = _sum_of_trees(model, parts, flow, features)
    return [*steps, Divide(float(len(parts))), *_forest_answer(model, parts[0], proba)]


def ada_boost(model: Any, proba: bool, flow: Flow) -> list[Step]:
    """Source: `AdaBoostClassifier.decision_function` and `AdaBoostRegressor._get_median_predict`."""
    parts = list(model.estimators_)
    if not all_trees(parts):
        raise NotConvertedError("AdaBoost of other models than trees has no plan")
    steps: list[Step] = [Refuse("", nan=True, infinity=True), _float32(parts[0])]
    trees = [part.tree_ for part in parts]
    weights = np.asarray(model.estimator_weights_)[: len(parts)]
    if not hasattr(model, "classes_"):
        only_predict(model, proba)
        values = [tree.value[:, :, 0] for tree in trees]
        return [*steps, _sums(trees, values, np.zeros(1), flow.width, apart=True), Median(weights)]
    count = len(model.classes_)
    if count < 2 or any(not np.array_equal(part.classes_, model.classes_) for part in parts):
        raise NotConvertedError("a part of AdaBoost knows only some of the classes")
    values = []
    for tree, weight in zip(trees, weights, strict=True):
        label = tree.value[:, 0, :count].argmax(axis=1)
        is_label = label[:, np.newaxis] == np.arange(count)
        values.append(np.where(is_label, weight, -1 / (count - 1) * weight))
    steps += [_sums(trees, values, np.zeros(count), flow.width), Divide(float(weights.sum()))]
    if count > 2:
        shares: list[Step] = [Divide(float(count - 1)), Softmax()]
        return [*steps, *(shares if proba else [Label(model.classes_, "largest")])]
    steps.append(Difference())
    both: list[Step] = [Opposite(), Softmax()]
    return [*steps, *(both if proba else [Label(model.classes_, "above")])]


def all_trees(parts: list[Any]) -> bool:
    return all(name_of(part) in _TREES for part in parts)


_TREES = {
    "sklearn.DecisionTreeClassifier", "sklearn.DecisionTreeRegressor",
    "sklearn.ExtraTreeClassifier", "sklearn.ExtraTreeRegressor",
}  # fmt: skip


def isolation_forest(model: Any, proba: bool, flow: Flow) -> list[Step]:
    """Source: `IsolationForest._compute_score_samples` and `predict`."""
    from sklearn.ensemble._iforest import _average_path_length

    only_predict(model, proba)
    if flow.sparse:
        raise NotConvertedError("IsolationForest of a sparse matrix has no plan")
    parts = list(model.estimators_)
    features = [np.asarray(own) for own in model.estimators_features_]
    whole = model._max_features == flow.width
    depths = [
        (lengths + rest - 1.0)[:, np.newaxis]
        for lengths, rest in zip(
            model._decision_path_lengths, model._average_path_length_per_tree, strict=True
        )
    ]
    trees = [part.tree_ for part in parts]
    sums = _sums(trees, depths, np.zeros(1), flow.width, features=None if whole else features)
    most = float(len(parts) * _average_path_length([model._max_samples])[0])
    if most == 0:
        raise NotConvertedError("an IsolationForest of single rows has no plan")
    refuse = Refuse("float32", nan=False, infinity=False)
    return [refuse, sums, Column(0), Isolated(most, float(model.offset_))]


def gradient_boosting(model: Any, proba: bool, flow: Flow) -> list[Step]:
    if not (isinstance(model.init_, str) or name_of(model.init_).startswith("sklearn.Dummy")):
        raise NotConvertedError("a gradient boosting on top of another model has no plan")
    start = model._raw_predict_init(np.zeros((1, flow.width), dtype=np.float32))[0]
    trees, values = [], []
    for stage in model.estimators_:
        for output, part in enumerate(stage):
            own = np.zeros((part.tree_.node_count, len(start)))
            own[:, output] = model.learning_rate * part.tree_.value[:, 0, 0]
            trees.append(part.tree_)
            values.append(own)
    refuse = Refuse("float32", nan=True, infinity=True)
    steps: list[Step] = [refuse, _sums(trees, values, start, flow.width)]
    if not hasattr(model, "classes_"):
        only_predict(model, proba)
        return [*steps, Column(-1)]
    return [*steps, *_scores_to_classes(model, len(start), "from", proba)]


def _scores_to_classes(model: Any, outputs: int, rule: str, proba: bool) -> list[Step]:
    if not proba:
        return [Label(model.classes_, rule if outputs == 1 else "largest")]
    link = type(model._loss.link).__name__
    if outputs > 1 and link == "MultinomialLogit":
        return [Softmax()]
    factors = {"LogitLink": 1.0, "HalfLogitLink": 2.0}
    if link not in factors:
        raise NotConvertedError(f"{link} has no plan")
    return [Sigmoid(factors[link]), Pair()]


def hist_gradient_boosting(model: Any, proba: bool, flow: Flow) -> list[Step]:
    if model._preprocessor is not None:
        raise NotConvertedError("categories of HistGradientBoosting have no plan")
    if flow.sparse:
        raise NotConvertedError("HistGradientBoosting takes no sparse matrix")
    start = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
    trees, values = [], []
    for stage in model._predictors:
        for output, predictor in enumerate(stage):
            nodes = predictor.nodes
            is_leaf = nodes["is_leaf"].astype(bool)
            if nodes["is_categorical"][~is_leaf].any():
                raise NotConvertedError("categories of HistGradientBoosting have no plan")
            trees.append(
                Tree(
                    nodes["feature_idx"], nodes["num_threshold"], nodes["left"], nodes["right"],
                    nodes["missing_go_to_left"], number_leaves(is_leaf),
                )
            )  # fmt: skip
            own = np.zeros((int(is_leaf.sum()), len(start)))
            own[:, output] = nodes["value"][is_leaf]
            values.append(own)
    sums = sum_of(trees, values, start, flow.width, np.float64)
    steps: list[Step] = [Refuse("float64", nan=False, infinity=False), sums]
    if hasattr(model, "classes_"):
        return [*steps, *_scores_to_classes(model, len(start), "above", proba)]
    only_predict(model, proba)
    link = type(model._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise NotConvertedError(f"{link} has no plan")
    return [*steps, Column(-1), *([Exp()] if link == "LogLink" else [])]
