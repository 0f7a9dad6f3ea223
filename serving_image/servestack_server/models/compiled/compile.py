"""The plan of a loaded model, by its flavor."""

from __future__ import annotations

import json
from typing import Any

from servestack_contract.settings import Input
from servestack_server.models.columns import feature_positions
from servestack_server.models.compiled import boosters
from servestack_server.models.compiled.flow import Flow
from servestack_server.models.compiled.from_sklearn import plan_of
from servestack_server.models.compiled.plan import Plan, dtype_of
from servestack_server.models.flavors import lightgbm as lightgbm_flavor
from servestack_server.models.flavors import xgboost as xgboost_flavor
from servestack_server.models.frames import needs_frame
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.not_converted import (
    NotConvertedError,
    require_no_categories,
    require_plain_text,
)


def compile_model(artifact: Artifact, native: Any, given: Input) -> Plan:
    """Return the plan of a loaded model. Raises NotConvertedError if it has none."""
    require_no_categories(artifact.flavor, native)
    require_plain_text(given.columns, "a plan")
    if given.tensor is not None and len(given.tensor.shape) != 2:
        raise NotConvertedError("the input is no table")
    if artifact.flavor == "sklearn":
        return _sklearn_plan(artifact, native, given)
    if artifact.flavor == "xgboost":
        return _xgboost_plan(artifact, native, given)
    if artifact.flavor == "lightgbm":
        return _lightgbm_plan(artifact, native, given)
    raise NotConvertedError(f"{artifact.flavor} models are not converted")


def _sklearn_plan(artifact: Artifact, estimator: Any, given: Input) -> Plan:
    features = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    positions = feature_positions(given.columns, features, "model")
    if not needs_frame(estimator, given.columns):
        width = int(estimator.n_features_in_)
        steps = plan_of(estimator, artifact.predict_fn, Flow(width))
        return Plan(steps, _width(given, width), positions, False)
    if given.columns is None:
        raise NotConvertedError("its columns have no types")
    order = positions if positions is not None else range(len(given.columns))
    taken = [given.columns[at] for at in order]
    names = features if len(features) == len(taken) else [column.name for column in taken]
    flow = Flow(len(taken), tuple(names), tuple(dtype_of(column) for column in taken))
    steps = plan_of(estimator, artifact.predict_fn, flow)
    return Plan(steps, len(given.columns), positions, True)


def _xgboost_plan(artifact: Artifact, booster: Any, given: Input) -> Plan:
    positions = feature_positions(given.columns, booster.feature_names, "model")
    rounds = xgboost_flavor.rounds(booster, artifact)
    config = json.loads(booster.save_config())["learner"]
    objective = config["objective"]["name"]
    labels = xgboost_flavor.is_classifier(booster, artifact)
    proba = artifact.predict_fn == "predict_proba"
    width = int(booster.num_features())
    steps = boosters.xgboost_scores(
        booster, rounds, width,
        margin=labels and proba and objective == "multi:softmax",
        infinity=xgboost_flavor.is_wrapped(booster, artifact),
    )  # fmt: skip
    if labels:
        classes = int(config["learner_model_param"]["num_class"])
        steps += boosters.xgboost_classes(objective, classes, proba)
    return Plan(steps, _width(given, width), positions, False)


def _lightgbm_plan(artifact: Artifact, native: Any, given: Input) -> Plan:
    booster = getattr(native, "booster_", native)
    width = int(booster.num_feature())
    positions = lightgbm_flavor.positions_of(booster, given, "model")
    if booster is native:
        steps = boosters.lightgbm_scores(booster, width)
    else:
        proba = artifact.predict_fn == "predict_proba"
        steps = boosters.lightgbm_wrapper(native, proba, width)
    return Plan(steps, _width(given, width), positions, False)


def _width(given: Input, features: int) -> int:
    return len(given.columns) if given.columns is not None else features
