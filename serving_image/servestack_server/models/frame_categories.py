"""pandas' categories that estimators inside a scikit-learn model ask for in their DataFrame.

mlflow.sklearn saves LightGBM's and XGBoost's estimators too, alone or in a pipeline. Trained on columns
of pandas' type category, they refuse any other column, or take its values for codes. A request brings
values, so the frame gets the categories that the boosters keep. HistGradientBoosting and the encoders of
scikit-learn take the values themselves.

A column counts as the booster's only if it reaches it as it is: what a pipeline makes of it may have
categories of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from servestack_contract.settings import Column
from servestack_server.errors import StartError
from servestack_server.models.categories import (
    booster_of,
    has_categories,
    lightgbm_categories,
    require_kind,
    xgboost_categories,
)
from servestack_server.models.columns import TEXTUAL
from servestack_server.models.model import Rows

if TYPE_CHECKING:
    import pandas

Sources = list[int | None]
"""For each feature of an estimator the column of the model's input that it is, None for another."""
_MADE = Column("", "double")
_SAME_INPUT = {
    "VotingClassifier": "estimators_", "VotingRegressor": "estimators_",
    "StackingClassifier": "estimators_", "StackingRegressor": "estimators_",
    "MultiOutputClassifier": "estimators_", "MultiOutputRegressor": "estimators_",
    "OneVsRestClassifier": "estimators_", "CalibratedClassifierCV": "calibrated_classifiers_",
    "_CalibratedClassifier": "estimator", "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_", "TransformedTargetRegressor": "regressor_",
}  # fmt: skip
"""Estimators of scikit-learn that hand their input on, and where those stand that get it."""


def frame_categories(
    estimator: Any, columns: Sequence[Column] | None, count: int, model: str
) -> dict[int, list[Any]]:
    """Return the categories of the columns that have some, by their position.

    `columns` are those of the frame, of which there are `count`, None if they are not known. Raises
    StartError if a booster needs categories and they are not known, if it does not say of which
    column its categories are, or if a column's type is not that of its categories.
    """
    categories: dict[int, list[Any]] = {}
    booster: Any
    for booster, sources in _boosters(estimator, list(range(count))):
        if not has_categories(booster):
            continue
        if columns is None:
            raise StartError(
                f"{model}: was trained on columns of pandas' type category, but the input has no columns",
                "log the model with a signature, or set spec.input.columns",
            )
        for at, values in _of_booster(booster, sources, columns, model).items():
            require_kind(columns[at], values, model)
            if categories.setdefault(at, values) != values:
                raise StartError(
                    f"{model}: its estimators were trained on different categories of column "
                    f"{columns[at].name!r}",
                    "train them on the same DataFrame",
                )
    return categories


def with_categories(
    make_frame: Callable[[Rows], pandas.DataFrame],
    categories: Mapping[int, Sequence[Any]],
    positions: Sequence[int] | None,
) -> Callable[[Rows], pandas.DataFrame]:
    """Return `make_frame` with these columns as categories.

    `categories` are by the frame's columns, and `positions` the places of these in a row, None for
    the same. A value that was not there in training is missing, as pandas makes it NaN.
    """
    import pandas

    plan = [
        (at, positions[at] if positions is not None else at, _codes(values), list(values))
        for at, values in categories.items()
    ]

    def make(rows: Rows) -> pandas.DataFrame:
        frame, table = make_frame(rows), cast("Sequence[Sequence[Any]]", rows)
        for at, place, codes, values in plan:
            given = [codes.get(row[place], -1) for row in table]
            name: Any = frame.columns[at]
            frame[name] = pandas.Categorical.from_codes(given, categories=values)
        return frame

    return make


def _codes(values: Sequence[Any]) -> dict[Any, int]:
    return {value: code for code, value in enumerate(values)}


def _of_booster(
    booster: Any, sources: Sources, columns: Sequence[Column], model: str
) -> dict[int, list[Any]]:
    features = [columns[at] if at is not None else _MADE for at in sources]
    is_xgboost = type(booster).__module__.startswith("xgboost")
    read = xgboost_categories if is_xgboost else lightgbm_categories
    try:
        found = read(booster, features, model)
    except StartError:
        # The pipeline may have made all of them, of columns that do not reach the booster.
        if None in sources and not any(column.type in TEXTUAL for column in features):
            return {}
        raise
    of_source = {sources[feature]: list(values) for feature, values in found.items()}
    return {at: values for at, values in of_source.items() if at is not None}


def _boosters(estimator: Any, sources: Sources) -> Iterator[tuple[Any, Sources]]:
    """Yield the boosters that get columns of the input as they are, with their sources."""
    kind = type(estimator)
    is_sklearn = kind.__module__.startswith("sklearn.")
    if (booster := booster_of(estimator)) is not None:
        yield booster, sources
    elif is_sklearn and kind.__name__ == "Pipeline":
        for _, step in estimator.steps[:-1]:
            passed = _through(step, sources)
            if passed is None:
                return
            sources = passed
        yield from _boosters(estimator.steps[-1][1], sources)
    elif is_sklearn and kind.__name__ in _SAME_INPUT:
        held = getattr(estimator, _SAME_INPUT[kind.__name__], None)
        for part in held if isinstance(held, list | tuple) else [held]:
            yield from _boosters(part, sources)


def _through(step: Any, sources: Sources) -> Sources | None:
    """Return the sources behind a step of a pipeline; None if they are not known."""
    if _is_identity(step):
        return sources
    if type(step).__name__ != "ColumnTransformer":
        return None
    taken = getattr(step, "_transformer_to_input_indices", None)
    outputs = getattr(step, "output_indices_", None)
    if taken is None or outputs is None or step.n_features_in_ != len(sources):
        return None
    passed: Sources = [None] * max(part.stop for part in outputs.values())
    for name, transformer, _ in step.transformers_:
        if name in taken and _is_identity(transformer):
            passed[outputs[name]] = [sources[at] for at in taken[name]]
    return passed


def _is_identity(step: Any) -> bool:
    if step is None or isinstance(step, str):
        return step in (None, "passthrough")
    return type(step).__name__ == "FunctionTransformer" and step.func is None
