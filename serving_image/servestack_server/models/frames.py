"""Decides which estimators need a DataFrame, and turns rows into one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from servestack_contract.settings import NESTED_TYPES, Column
from servestack_server.errors import StartError
from servestack_server.models.arrays import DTYPES
from servestack_server.models.columns import TEXTUAL, feature_positions
from servestack_server.models.model import Rows
from servestack_server.models.moments import nanoseconds
from servestack_server.models.nested import for_frame_of

if TYPE_CHECKING:
    import pandas

_MOMENTS = "datetime64[ns]"
_WITHOUT_NULL = frozenset({"bool", "int32", "int64"})
_OF_ARRAYS = ("sklearn.", "xgboost.", "lightgbm.")


def needs_frame(estimator: Any, columns: tuple[Column, ...] | None) -> bool:
    """Whether the estimator must get a DataFrame.

    It must if a column is text, if a step selects columns by name, or if the estimator was trained
    on a DataFrame and has a step of an unknown kind.
    """
    if columns is not None and any(column.type in TEXTUAL for column in columns):
        return True
    if not hasattr(estimator, "feature_names_in_"):
        return False
    return any(_is_named(part) for part in parts_of(estimator))


def build_frame_maker(
    columns: tuple[Column, ...] | None, features: list[str], model: str, *, for_mlflow: bool = False
) -> Callable[[Rows], pandas.DataFrame]:
    """Return the function from rows to a DataFrame with the model's names and types.

    `features` are the names from training, empty if unknown. A missing integer or boolean is NaN.
    With `for_mlflow` it stays None, and an optional column without any value is left out: MLflow
    itself checks the frame against the signature, and takes NaN for neither. Raises StartError if no
    names are known, the columns do not fit the features, or MLflow cannot hold a column's nulls.
    """
    import pandas

    if columns is None and not features:
        raise StartError(
            f"{model}: takes named columns, but neither the model nor the spec names them",
            "set spec.input.columns",
        )
    names = [column.name for column in columns] if columns is not None else features
    positions = feature_positions(columns, features, model)
    if positions is None and features and len(features) == len(names):
        names = features
    dtypes = [_dtype(column) for column in columns] if columns is not None else [None] * len(names)
    order = positions if positions is not None else list(range(len(names)))
    plan = [(position, names[position], dtypes[position]) for position in order]

    null_dtype = None if for_mlflow else "float64"
    optional = {column.name for column in columns or () if for_mlflow and not column.required}
    convert = {
        column.name: for_frame_of(column) if for_mlflow else copy.deepcopy
        for column in columns or ()
        if column.type in NESTED_TYPES
    }

    labels = pandas.Index([name for _, name, _ in plan])

    def make_frame(rows: Rows) -> pandas.DataFrame:
        values = list(zip(*rows, strict=True)) or [()] * len(names)
        taken = [
            at
            for at, (position, name, _) in enumerate(plan)
            if name not in optional or any(value is not None for value in values[position])
        ]
        series = {}
        for at in taken:
            position, name, dtype = plan[at]
            series[at] = _series(values[position], dtype, null_dtype, convert.get(name))
        frame = pandas.DataFrame(series, copy=False)
        # An index keeps what it has found out about its labels; a new one would find it out again.
        frame.columns = labels if len(taken) == len(plan) else labels[taken]
        return frame

    return make_frame


def _series(
    values: Any, dtype: str | None, null_dtype: str | None, convert: Callable[[Any], Any] | None
) -> Any:
    if dtype in _WITHOUT_NULL and None in values:
        dtype = null_dtype
    if dtype is None:
        made = np.empty(len(values), dtype=object)
        if convert is None:
            made[:] = values
            return made
        for at, value in enumerate(values):  # `[:]` would spread lists over another axis.
            made[at] = convert(value)
        return made
    return nanoseconds(values) if dtype == _MOMENTS else np.array(values, dtype=dtype)


def _dtype(column: Column) -> str | None:
    if column.type == "datetime":
        return _MOMENTS
    return DTYPES.get(column.type)


def parts_of(estimator: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield the estimator and all estimators that it contains, fitted or not.

    `seen` holds the ids of those that are left out.
    """
    seen = set() if seen is None else seen
    if id(estimator) in seen:
        return
    seen.add(id(estimator))
    if isinstance(estimator, list | tuple):
        for item in estimator:
            yield from parts_of(item, seen)
    elif hasattr(estimator, "get_params") and not isinstance(estimator, type):
        yield estimator
        for value in list(vars(estimator).values()):
            yield from parts_of(value, seen)


def _is_named(part: Any) -> bool:
    kind = type(part)
    if not kind.__module__.startswith(_OF_ARRAYS) or kind.__name__ == "FunctionTransformer":
        return True
    picked = [item[2] for item in getattr(part, "transformers_", ()) if item[0] != "remainder"]
    return any(_has_text(columns) for columns in picked)


def _has_text(columns: Any) -> bool:
    if isinstance(columns, slice):
        return isinstance(columns.start, str) or isinstance(columns.stop, str)
    if isinstance(columns, str):
        return True
    return isinstance(columns, list | tuple | np.ndarray) and any(
        isinstance(item, str) for item in columns
    )
