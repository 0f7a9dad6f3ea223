"""Steps of scikit-learn's trees, forests and boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from servestack_server.models.compiled.answers import (
    Column,
    Divide,
    Exp,
    Label,
    Pair,
    Sigmoid,
    Softmax,
)
from servestack_server.models.compiled.flow import Flow, name_of, only_predict
from servestack_server.models.compiled.steps import Refuse, Step
from servestack_server.models.compiled.trees import (
    Tree,
    Trees,
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


def _read_tree(tree: Any) -> Tree:
    is_leaf = tree.children_left < 0
    return Tree(
        tree.feature, round_down(tree.threshold), tree.children_left, tree.children_right,
        tree.missing_go_to_left, number_leaves(is_leaf),
    )  # fmt: skip


def _sums(trees: list[Any], values: list[Array], start: Array, features: int) -> Trees:
    """`values` has one array of shape (nodes, outputs) for each tree."""
    read = [_read_tree(tree) for tree in trees]
    leaves = [value[own.leaf >= 0] for value, own in zip(values, read, strict=True)]
    return sum_of(read, leaves, start, features, np.float32)


def forest(model: Any, proba: bool, flow: Flow) -> list[Step]:
    single = hasattr(model, "tree_")
    if int(model.n_outputs_) != 1:
        raise NotConvertedError("trees of several outputs have no plan")
    parts = [model] if single else list(model.estimators_)
    is_classifier = hasattr(model, "classes_")
    width = len(model.classes_) if is_classifier else 1
    trees = [part.tree_ for part in parts]
    values = [tree.value[:, 0, :width] for tree in trees]
    sums = _sums(trees, values, np.zeros(width), flow.width)
    steps: list[Step] = [_float32(parts[0]), sums]
    if not single:
        steps.append(Divide(float(len(parts))))
    if not is_classifier:
        only_predict(model, proba)
        return [*steps, Column(0)]
    return steps if proba else [*steps, Label(model.classes_, "largest")]


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
