"""XGBoost models in the native formats, without scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from servestack_contract.settings import Input, Trust
from servestack_server.errors import StartError
from servestack_server.models.arrays import build_array_maker
from servestack_server.models.categories import code_input, xgboost_categories
from servestack_server.models.columns import feature_positions, require_numbers, taken
from servestack_server.models.lean_import import import_lean
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Outputs, Predict, Rows
from servestack_server.models.threads import thread_count
from servestack_server.models.versions import warn_other_version


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load a Booster that answers as the class it was saved from: labels for an XGBClassifier."""
    del trust  # the native formats hold trees and settings, no code
    booster = read_booster(artifact)
    name = artifact.root.name
    positions = feature_positions(given.columns, booster.feature_names, name)
    categories = xgboost_categories(booster, taken(given.columns, positions), name)
    coded = code_input(given, positions, categories, name)
    require_numbers(coded.given.columns, name, "XGBoost")
    make_array = coded.before(build_array_maker(coded.given, positions))
    if not is_wrapped(booster, artifact):
        make_array = _refusing_infinity(make_array)
    return Loaded(_build_predict(booster, artifact, make_array), booster)


def read_booster(artifact: Artifact) -> Any:
    """Read the native model. Raises StartError for a file in another format, such as a pickle."""
    xgboost = import_lean("xgboost", without=("pandas", "sklearn"))
    warn_other_version("xgboost", artifact.framework_version, xgboost.__version__, pickled=False)
    file = artifact.model_file
    booster = xgboost.Booster({"nthread": thread_count()})
    try:
        booster.load_model(file)
    except (xgboost.core.XGBoostError, ValueError, TypeError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()
        raise StartError(
            f"{file.name}: XGBoost {xgboost.__version__} cannot load it: "
            f"{reason[-1] if reason else type(error).__name__}",
            "save it with save_model as .ubj or .json",
        ) from None
    return booster


def is_classifier(booster: Any, artifact: Artifact) -> bool:
    """Whether the model answers with labels.

    MLflow names the class. A single file has the kind in an attribute of the model.
    """
    saved_class = artifact.settings.get("model_class")
    if saved_class:
        return "Classifier" in str(saved_class)
    return '"classifier"' in (booster.attr("scikit_learn") or "")


def is_wrapped(booster: Any, artifact: Artifact) -> bool:
    """Whether it was saved from one of the scikit-learn classes, which stop at the best round."""
    saved_class = str(artifact.settings.get("model_class") or "")
    return bool(booster.attr("scikit_learn")) if not saved_class else "Booster" not in saved_class


def rounds(booster: Any, artifact: Artifact) -> tuple[int, int]:
    """Return the range of boosting rounds that count, (0, 0) for all.

    Source: `XGBModel._get_iteration_range`.
    """
    best = booster.attr("best_iteration") if is_wrapped(booster, artifact) else None
    return (0, int(best) + 1) if best else (0, 0)


def _build_predict(
    booster: Any, artifact: Artifact, make_array: Callable[[Rows], Array]
) -> Predict:
    learner = json.loads(booster.save_config())["learner"]
    linear = learner["gradient_booster"]["name"] == "gblinear"
    objective = learner["objective"]["name"]
    iteration_range = (0, 0) if linear else rounds(booster, artifact)
    if linear:
        import xgboost

        def scores(rows: Rows, margin: bool = False) -> Array:
            data = xgboost.DMatrix(_float32(make_array(rows)), nthread=thread_count())
            result: Array = booster.predict(data, output_margin=margin, validate_features=False)
            return result
    else:

        def scores(rows: Rows, margin: bool = False) -> Array:
            result: Array = booster.inplace_predict(
                _float32(make_array(rows)),
                iteration_range=iteration_range,
                predict_type="margin" if margin else "value",
                validate_features=False,
            )
            return result

    if not is_classifier(booster, artifact):
        return scores
    classes = int(learner["learner_model_param"]["num_class"])
    if artifact.predict_fn == "predict_proba":
        return lambda rows: _probabilities(scores(rows, objective == "multi:softmax"), objective)
    return lambda rows: _labels(scores(rows), objective, max(classes, 2))


def _float32(values: Array) -> Array:
    # XGBoost computes in float32, whatever the input's type is.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def _refusing_infinity(make_array: Callable[[Rows], Array]) -> Callable[[Rows], Array]:
    """A Booster takes a DMatrix in MLflow, which refuses what is infinite in float32."""

    def make(rows: Rows) -> Array:
        values = _float32(make_array(rows))
        if np.isinf(values).any():
            raise ValueError("Input data contains `inf` or a value too large for float32")
        return values

    return make


def _labels(scores: Array, objective: str, classes: int) -> Outputs:
    """Source: `XGBClassifier.predict`."""
    if scores.ndim > 1 and classes != 2:
        best: Array = scores.argmax(axis=1)
        return best
    if objective == "multi:softmax" and scores.ndim == 1:
        return scores.astype(np.int32)
    return (scores > 0.5).astype(np.int64)


def _probabilities(scores: Array, objective: str) -> Outputs:
    """Source: `XGBClassifier.predict_proba`."""
    if objective == "multi:softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        result: Array = powers / powers.sum(axis=1, keepdims=True)
        return result
    return scores if scores.ndim > 1 else np.vstack((1.0 - scores, scores)).T
