"""Plans of XGBoost's and LightGBM's trees, read from what both save as text.

XGBoost 3.2 compares, and adds the leaves' values, in float32; LightGBM 4.7 does both in float64.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from servestack_server.models.compiled.answers import (
    As,
    Column,
    Divide,
    Exp,
    Label,
    Largest,
    Pair,
    Sigmoid,
    Softmax,
)
from servestack_server.models.compiled.steps import Refuse, Step
from servestack_server.models.compiled.tree_graphs import Tree
from servestack_server.models.compiled.trees import TreeSums, number_leaves, sum_of
from servestack_server.models.compiled.xgboost_steps import (
    XgboostExp,
    XgboostSigmoid,
    XgboostSoftmax,
    XgboostSums,
    ZerosMissing,
    library_rows,
)
from servestack_server.models.model import Array
from servestack_server.models.not_converted import NotConvertedError

_ZERO = 1.0000000180025095e-35
"""LightGBM's kZeroThreshold: what is closer to zero counts as zero."""
_IDENTITY = (
    "reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
    "binary:logitraw", "rank:pairwise", "rank:ndcg", "rank:map",
)  # fmt: skip
_LOGISTIC = ("binary:logistic", "reg:logistic")
_EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie")
_MULTI = ("multi:softprob", "multi:softmax")


def xgboost_scores(
    booster: Any,
    rounds: tuple[int, int],
    width: int,
    *,
    sparse: bool = False,
    margin: bool = False,
    infinity: bool = True,
) -> list[Step]:
    """Return the steps of `Booster.inplace_predict`: (rows,), or (rows, classes) for several.

    `rounds` are those that count, (0, 0) for all. `sparse`: the framework gets a sparse matrix.
    `margin`: before the objective's own function. `infinity`: infinite values are taken, as by
    `inplace_predict`; a DMatrix refuses them.
    Raises NotConvertedError for what has no plan: other boosters than gbtree, categories, other
    objectives, several targets.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    if learner["gradient_booster"]["name"] != "gbtree":
        raise NotConvertedError(f"XGBoost's {learner['gradient_booster']['name']} has no plan")
    parameters = learner["learner_model_param"]
    if int(parameters.get("num_target", 1)) > 1:
        raise NotConvertedError("XGBoost with several targets has no plan")
    if objective not in (*_IDENTITY, *_LOGISTIC, *_EXPONENTIAL, *_MULTI):
        raise NotConvertedError(f"{objective} has no plan")
    if int(parameters["num_feature"]) != width:
        raise NotConvertedError("the model takes another number of features")
    outputs = max(int(parameters["num_class"]), 1)
    model = learner["gradient_booster"]["model"]
    end = model["iteration_indptr"][rounds[1]] if rounds[1] else len(model["trees"])
    trees, values = [], []
    for number, output in zip(range(end), model["tree_info"], strict=False):
        tree = model["trees"][number]
        read = _xgboost_tree(tree)
        trees.append(read)
        own = np.zeros((int(read.leaf.max()) + 1, outputs), dtype=np.float32)
        own[:, output] = np.array(tree["split_conditions"], dtype=np.float32)[read.leaf >= 0]
        values.append(own)
    start = np.broadcast_to(_base_margin(parameters["base_score"], objective), (outputs,))
    by_tree = sum_of(trees, values, start.copy(), width, np.float32, strict=True)
    if not isinstance(by_tree, TreeSums):
        raise TypeError("each tree of XGBoost adds to one output")
    raw = np.frombuffer(booster.save_raw("ubj"), dtype=np.uint8)
    sums = XgboostSums(by_tree, raw, rounds[1], library_rows(len(trees)))
    steps: list[Step] = [Refuse("float32", nan=False, infinity=not infinity)]
    if sparse:
        steps.append(ZerosMissing())
    steps += [sums] if outputs > 1 else [sums, Column(-1)]
    return steps if margin else steps + _xgboost_answer(objective)


def _xgboost_answer(objective: str) -> list[Step]:
    if objective in _LOGISTIC:
        return [XgboostSigmoid()]
    if objective in _EXPONENTIAL:
        return [XgboostExp()]
    if objective == "multi:softprob":
        return [XgboostSoftmax()]
    if objective == "multi:softmax":
        return [XgboostSoftmax(), Largest(), As("float32")]
    return []


def _xgboost_tree(tree: Mapping[str, Any]) -> Tree:
    if any(tree["split_type"]):
        raise NotConvertedError("categories of XGBoost have no plan")
    if tree["tree_param"]["size_leaf_vector"] not in ("0", "1"):
        raise NotConvertedError("XGBoost with several targets has no plan")
    left = np.array(tree["left_children"])
    return Tree(
        np.array(tree["split_indices"]), np.array(tree["split_conditions"], dtype=np.float32),
        left, np.array(tree["right_children"]), np.array(tree["default_left"]),
        number_leaves(left < 0),
    )  # fmt: skip


def _base_margin(base_score: str, objective: str) -> Array:
    """Return the base score as a margin, float32. Source: XGBoost, each objective's ProbToMargin."""
    given = json.loads(base_score)
    base = np.array(given if isinstance(given, list) else [given], dtype=np.float32)
    if objective in _LOGISTIC:
        odds = np.float32(1) / base - np.float32(1)
        return (-np.log(odds.astype(np.float64))).astype(np.float32)
    if objective in _EXPONENTIAL:
        return np.log(base.astype(np.float64)).astype(np.float32)
    return base


def xgboost_wrapper(model: Any, proba: bool, width: int, *, sparse: bool) -> list[Step]:
    """Return the steps of XGBClassifier or XGBRegressor. Source: XGBoost, `xgboost.sklearn`."""
    booster = model.get_booster()
    scores = xgboost_scores(
        booster, model._get_iteration_range(None), width,
        sparse=sparse, margin=proba and model.objective == "multi:softmax",
    )  # fmt: skip
    if not hasattr(model, "n_classes_"):
        if proba:
            raise NotConvertedError("a regressor has no probabilities")
        return scores
    return scores + xgboost_classes(str(model.objective), int(model.n_classes_), proba)


def xgboost_classes(objective: str, classes: int, proba: bool) -> list[Step]:
    """Return the steps from scores to an XGBClassifier's labels, or to its probabilities."""
    if proba:
        if objective == "multi:softmax":
            return [Softmax()]
        return [] if objective == "multi:softprob" else [Pair()]
    if objective == "multi:softmax":
        return [As("int32")]
    numbers = np.arange(max(classes, 2))
    if objective == "multi:softprob":
        return [Label(numbers, "largest")]
    return [Label(numbers, "above", 0.5)]


def lightgbm_scores(booster: Any, width: int) -> list[Step]:
    """Return the steps of LightGBM's `Booster.predict`: (rows,), or (rows, classes) for several.

    Raises NotConvertedError for what has no plan: categories, linear trees, zeros as missing values,
    other objectives.
    """
    if booster.pandas_categorical:
        raise NotConvertedError("categories of LightGBM have no plan")
    header, *blocks = booster.model_to_string().split("\nTree=")
    head = _fields(header)
    if int(head["max_feature_idx"]) + 1 != width:
        raise NotConvertedError("the model takes another number of features")
    outputs = int(head["num_tree_per_iteration"])
    trees, values = [], []
    for number, block in enumerate(blocks):
        fields = _fields(block.split("\nend of trees")[0])
        read = _lightgbm_tree(fields)
        trees.append(read)
        own = np.zeros((int(read.leaf.max()) + 1, outputs))
        own[:, number % outputs] = _numbers(fields["leaf_value"])
        values.append(own)
    sums = sum_of(trees, values, np.zeros(outputs), width, np.float64)
    steps: list[Step] = [Refuse("float64", nan=False, infinity=False), sums]
    if "\naverage_output" in header:
        steps.append(Divide(float(len(blocks) // outputs)))
    if outputs == 1:
        steps.append(Column(-1))
    return steps + _lightgbm_answer(head.get("objective", "custom"))


def _lightgbm_answer(objective: str) -> list[Step]:
    kind, *settings = objective.split()
    if "sqrt" in settings:
        raise NotConvertedError("reg_sqrt of LightGBM has no plan")
    if kind == "binary":
        factor = next(float(text[8:]) for text in settings if text.startswith("sigmoid:"))
        return [Sigmoid(factor)]
    if kind == "multiclass":
        return [Softmax()]
    if kind in ("poisson", "gamma", "tweedie"):
        return [Exp()]
    plain = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank")
    if kind in plain:
        return []
    raise NotConvertedError(f"LightGBM's {kind} has no plan")


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {name: value for name, sign, value in pairs if sign}


def _numbers(text: str) -> Array:
    return np.array([float(number) for number in text.split()])


def _lightgbm_tree(fields: Mapping[str, str]) -> Tree:
    """Return one tree. Source: LightGBM, `Tree::NumericalDecision`.

    Its inner nodes come first here, and then its leaves.
    """
    if fields.get("num_cat", "0") != "0":
        raise NotConvertedError("categories of LightGBM have no plan")
    if fields.get("is_linear", "0") != "0":
        raise NotConvertedError("linear trees of LightGBM have no plan")
    leaves = int(fields["num_leaves"])
    inner = leaves - 1
    whole = {
        name: np.array(fields.get(name, "").split(), dtype=np.int64)
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    }
    thresholds = _numbers(fields.get("threshold", ""))
    if any(0 < abs(threshold) < _ZERO * (1 - 1e-7) for threshold in thresholds):
        raise NotConvertedError("a threshold that LightGBM takes for zero")
    default_left = (whole["decision_type"] & 2) > 0
    missing = (whole["decision_type"] >> 2) & 3
    zero_left = thresholds >= 0
    if (missing == 1)[default_left != zero_left].any():
        raise NotConvertedError("zeros as missing values have no plan")
    missing_left = np.where(missing == 2, default_left, zero_left)
    after = np.zeros(leaves, dtype=np.int64)

    def children(name: str) -> Array:
        found = whole[name]
        return np.concatenate([np.where(found < 0, inner + ~found, found), after])

    return Tree(
        np.concatenate([whole["split_feature"], after]),
        np.concatenate([thresholds, after]),
        children("left_child"), children("right_child"),
        np.concatenate([missing_left, after]),
        number_leaves(np.arange(inner + leaves) >= inner),
    )  # fmt: skip


def lightgbm_wrapper(model: Any, proba: bool, width: int) -> list[Step]:
    """Return the steps of LGBMClassifier or LGBMRegressor. Source: LightGBM, `lightgbm.sklearn`."""
    scores = lightgbm_scores(model.booster_, width)
    if not hasattr(model, "classes_"):
        if proba:
            raise NotConvertedError("a regressor has no probabilities")
        return scores
    if callable(model.objective_):
        raise NotConvertedError("an objective of its own has no plan")
    pair = [] if model.objective_.startswith("multiclass") else [Pair()]
    return [*scores, *pair, *([] if proba else [Label(np.asarray(model.classes_), "largest")])]
