"""LightGBM models: Boosters from native text files, and scikit-learn estimators through skops."""

from __future__ import annotations

from typing import Any

from servestack_contract.loading import SAFE_LIGHTGBM_TYPES, is_estimator
from servestack_contract.settings import Input, Trust
from servestack_server.errors import StartError
from servestack_server.models.arrays import build_array_maker, whole_as_double
from servestack_server.models.categories import Coded, code_input, lightgbm_categories
from servestack_server.models.columns import feature_positions, require_numbers, taken
from servestack_server.models.flavors.sklearn import read_estimator
from servestack_server.models.lean_import import forget_lean, import_lean
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Predict, Rows
from servestack_server.models.threads import thread_count
from servestack_server.models.versions import warn_other_version


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load the Booster. Its scores become labels if it was saved from an LGBMClassifier."""
    booster, estimator = read_booster(artifact, trust)
    name = artifact.root.name
    positions = positions_of(booster, given, name)
    categories = lightgbm_categories(booster, taken(given.columns, positions), name)
    coded = code_input(given, positions, categories, name)
    require_numbers(coded.given.columns, name, "LightGBM")
    scores = _scores(booster, coded, positions)
    return Loaded(_answer(scores, estimator, artifact.predict_fn), estimator or booster)


def read_booster(artifact: Artifact, trust: Trust) -> tuple[Any, Any | None]:
    """Read the Booster, and the estimator around it if there is one. Raises StartError."""
    file = artifact.model_file
    if is_estimator("lightgbm", artifact.settings):
        forget_lean("lightgbm")
        import_lean("sklearn", without=("pandas",))
        import_lean("lightgbm", without=("pandas",))
        estimator = read_estimator(artifact, trust, SAFE_LIGHTGBM_TYPES)
        _warn(artifact)
        return estimator.booster_, estimator
    lightgbm = import_lean("lightgbm", without=("pandas", "sklearn"))
    _warn(artifact)
    try:
        return lightgbm.Booster(model_file=file), None
    except (lightgbm.basic.LightGBMError, ValueError, TypeError) as error:
        raise StartError(
            f"{file.name}: LightGBM {lightgbm.__version__} cannot load it: {error}"
        ) from None


def positions_of(booster: Any, given: Input, model: str) -> list[int] | None:
    """Return `feature_positions` of the booster. Names that LightGBM made up itself are ignored."""
    names = [str(name) for name in booster.feature_name()]
    made_up = names == [f"Column_{index}" for index in range(len(names))]
    return None if made_up else feature_positions(_spaced_out(given), names, model)


def _scores(booster: Any, coded: Coded, positions: list[int] | None) -> Predict:
    threads, predict = thread_count(), booster.predict
    make_array = coded.before(whole_as_double(build_array_maker(coded.given, positions)))
    return lambda rows: predict(make_array(rows), num_threads=threads)


def _answer(scores: Predict, estimator: Any | None, predict_fn: str) -> Predict:
    """Source: `LGBMClassifier.predict` and `predict_proba`."""
    import numpy as np

    if estimator is None or not hasattr(estimator, "classes_"):
        return scores
    if callable(estimator.objective_):
        return scores
    classes = np.asarray(estimator.classes_)

    def probabilities(rows: Rows) -> Array:
        values = np.asarray(scores(rows))
        return values if values.ndim > 1 else np.vstack((1.0 - values, values)).T

    if predict_fn == "predict_proba":
        return probabilities
    return lambda rows: classes[probabilities(rows).argmax(axis=1)]


def _spaced_out(given: Input) -> Any:
    """Return the columns with LightGBM's names for them, which have underscores for spaces."""
    import msgspec

    if given.columns is None:
        return None
    return tuple(
        msgspec.structs.replace(column, name="_".join(column.name.split(" ")))
        for column in given.columns
    )


def _warn(artifact: Artifact) -> None:
    import lightgbm

    warn_other_version("lightgbm", artifact.framework_version, lightgbm.__version__, pickled=False)
