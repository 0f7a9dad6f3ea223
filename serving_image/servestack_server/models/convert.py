"""Converts scikit-learn, XGBoost and LightGBM models to ONNX graphs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from servestack_contract.settings import Input
from servestack_server.models.columns import feature_positions
from servestack_server.models.flavors import lightgbm as lightgbm_flavor
from servestack_server.models.flavors import xgboost as xgboost_flavor
from servestack_server.models.frames import needs_frame, parts_of
from servestack_server.models.lean_import import forget_lean
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.not_converted import (
    NotConvertedError,
    require_no_categories,
    require_plain_text,
)

Precision = Literal["float", "double"]


@dataclass(frozen=True, slots=True)
class Source:
    """How to convert a model.

    `convert` returns a ModelProto. `scores` selects the second output of a classifier, its scores,
    instead of its label. `positions` are the columns that the graph's only input takes, in order;
    None for all columns unchanged, or if each column is an input of its own.
    """

    convert: Callable[[Precision], Any]
    scores: bool
    positions: list[int] | None


def describe_source(artifact: Artifact, native: Any, given: Input) -> Source:
    """Return how to convert the loaded model. Raises NotConvertedError if it has no ONNX form."""
    require_no_categories(artifact.flavor, native)
    require_plain_text(given.columns, "ONNX")
    if artifact.flavor == "xgboost":
        return _xgboost_source(artifact, native, given)
    if artifact.flavor == "lightgbm":
        return _lightgbm_source(artifact, native, given)
    if artifact.flavor == "sklearn":
        return _sklearn_source(artifact, native, given)
    raise NotConvertedError(f"{artifact.flavor} models are not converted")


def _sklearn_source(artifact: Artifact, estimator: Any, given: Input) -> Source:
    if artifact.predict_fn not in ("predict", "predict_proba"):
        raise NotConvertedError(f"{artifact.predict_fn} has no ONNX form")
    features = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    by_column = needs_frame(estimator, given.columns)
    positions = None if by_column else feature_positions(given.columns, features, "model")

    def convert(precision: Precision) -> Any:
        from skl2onnx import convert_sklearn

        if precision == "double" and _splits_on_missing(estimator):
            # Its search for a threshold in double never ends at infinity.
            raise NotConvertedError("trees that split on missing values convert only to float32")
        types = (
            _column_types(given, features, precision)
            if by_column
            else [("X", _float_type(precision, int(estimator.n_features_in_)))]
        )
        options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
        _register_boosters()
        return convert_sklearn(
            estimator, initial_types=types, options=options, target_opset=_TARGET_OPSET
        )

    return Source(convert, artifact.predict_fn == "predict_proba", positions)


def _splits_on_missing(estimator: Any) -> bool:
    """Whether a tree has an infinite threshold: scikit-learn's for missing or not."""
    trees = (getattr(part, "tree_", None) for part in parts_of(estimator))
    return any(tree is not None and not np.isfinite(tree.threshold).all() for tree in trees)


_TARGET_OPSET = {"": 21, "ai.onnx.ml": 3}
"""The newest versions that both converters know, so that boosters may be steps of a pipeline."""


def _column_types(given: Input, features: list[str], precision: Precision) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import BooleanTensorType, Int64TensorType, StringTensorType

    kinds: dict[str, Any] = {
        "string": StringTensorType,
        "boolean": BooleanTensorType,
        "integer": Int64TensorType,
        "long": Int64TensorType,
    }
    columns = given.columns or ()
    names = [column.name for column in columns]
    if not set(features) <= set(names):
        raise NotConvertedError("the columns have other names than the model's")
    by_name = {column.name: column for column in columns}
    types = []
    for name in features or names:
        column = by_name[name]
        kind = None if column.may_be_null else kinds.get(column.type)
        types.append((name, kind([None, 1]) if kind else _float_type(precision, 1)))
    return types


def _float_type(precision: Precision, width: int) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    return (DoubleTensorType if precision == "double" else FloatTensorType)([None, width])


def _xgboost_source(artifact: Artifact, booster: Any, given: Input) -> Source:
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    sorts = objective.startswith(("binary:", "multi:"))
    labels = xgboost_flavor.is_classifier(booster, artifact)

    def convert(precision: Precision) -> Any:
        _only_float(precision)
        forget_lean("xgboost")
        import xgboost
        from onnxmltools.convert import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        _, end = xgboost_flavor.rounds(booster, artifact)
        copy = (booster[:end] if end else booster).copy()
        copy.feature_names = copy.feature_types = None  # the converter takes f0, f1, …
        copy.set_attr(scikit_learn=None)
        model = (xgboost.XGBClassifier if sorts else xgboost.XGBRegressor)()
        model.load_model(copy.save_raw("ubj"))
        types = [("X", FloatTensorType([None, int(booster.num_features())]))]
        return convert_xgboost(model, initial_types=types)

    positions = feature_positions(given.columns, booster.feature_names, "model")
    scores = sorts and (not labels or artifact.predict_fn == "predict_proba")
    return Source(convert, scores, positions)


def _lightgbm_source(artifact: Artifact, native: Any, given: Input) -> Source:
    booster = getattr(native, "booster_", native)
    labels = hasattr(native, "classes_")
    objective = str(booster.dump_model(num_iteration=1).get("objective", ""))

    def convert(precision: Precision) -> Any:
        _only_float(precision)
        forget_lean("lightgbm")
        from onnxmltools.convert import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        types = [("X", FloatTensorType([None, int(booster.num_feature())]))]
        return convert_lightgbm(_full(native), initial_types=types, zipmap=False)

    sorts = objective.startswith(("binary", "multiclass"))
    scores = sorts and (not labels or artifact.predict_fn == "predict_proba")
    return Source(convert, scores, lightgbm_flavor.positions_of(booster, given, "model"))


def _full(native: Any) -> Any:
    """Return the model as a class of the full import, which the converter expects.

    Those of the lean import are other classes, so it is made again from its parts.
    """
    import lightgbm

    if not hasattr(native, "booster_"):
        return lightgbm.Booster(model_str=native.model_to_string())
    full = getattr(lightgbm, type(native).__name__)
    made = full.__new__(full)
    vars(made).update(vars(native))
    return made


def _only_float(precision: Precision) -> None:
    if precision == "double":
        raise NotConvertedError("its converter supports only float32")


def _register_boosters() -> None:
    """Register the converters of XGBoost and LightGBM, whose estimators may be pipeline steps."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    shapes = {
        "Classifier": calculate_linear_classifier_output_shapes,
        "Regressor": calculate_linear_regressor_output_shapes,
    }
    options: dict[str, Any] = {"Classifier": {"zipmap": [True, False], "nocl": [True, False]}}
    for package, prefix in (("xgboost", "XGB"), ("lightgbm", "LGBM")):
        if package not in sys.modules:
            continue
        if package == "xgboost":
            from onnxmltools.convert.xgboost.operator_converters.XGBoost import (
                convert_xgboost as converter,
            )
        else:
            from onnxmltools.convert.lightgbm.operator_converters.LightGbm import (
                convert_lightgbm as converter,
            )
        for kind, shape in shapes.items():
            name = prefix + kind
            update_registered_converter(
                getattr(sys.modules[package], name), name, shape, converter,
                options=options.get(kind),
            )  # fmt: skip
