"""Which estimators need a DataFrame, and how rows become one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from servestack_contract.settings import Column
from servestack_server.errors import StartError
from servestack_server.models.columns import TEXTUAL, feature_positions, may_be_null
from servestack_server.models.model import Rows

if TYPE_CHECKING:
    import pandas

_DTYPES: dict[str, str] = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
}
"""What MLflow's schema makes of a column before the model sees it; others stay objects."""
_OF_ARRAYS = ("sklearn.", "xgboost.", "lightgbm.")


def needs_frame(estimator: Any, columns: tuple[Column, ...] | None) -> bool:
    """Columns of text, columns picked by name, or steps of which nothing is known but a DataFrame
    was seen in training.
    """
    if columns is not None and any(column.type in TEXTUAL for column in columns):
        return True
    if not hasattr(estimator, "feature_names_in_"):
        return False
    return any(_is_named(part) for part in _parts(estimator, set()))


def build_frame_maker(
    columns: tuple[Column, ...] | None, features: list[str], model: str
) -> Callable[[Rows], pandas.DataFrame]:
    """The function from rows to a DataFrame with the names and types that the model knows."""
    import pandas

    if columns is None and not features:
        raise StartError(
            f"{model}: takes named columns, and neither it nor the spec says which",
            "give spec.input.columns",
        )
    names = [column.name for column in columns] if columns is not None else features
    positions = feature_positions(columns, features, model)
    if positions is None and features and len(features) == len(names):
        names = features
    dtypes = [_dtype(column) for column in columns] if columns is not None else [None] * len(names)
    order = positions if positions is not None else list(range(len(names)))
    plan = [(position, names[position], dtypes[position]) for position in order]

    def make_frame(rows: Rows) -> pandas.DataFrame:
        values = list(zip(*rows, strict=True)) or [()] * len(names)
        series = {name: _series(values[position], dtype) for position, name, dtype in plan}
        return pandas.DataFrame(series, copy=False)

    return make_frame


def _series(values: Any, dtype: str | None) -> Any:
    if dtype is None:
        made = np.empty(len(values), dtype=object)
        made[:] = values
        return made
    return np.array(values, dtype=dtype)


def _dtype(column: Column) -> str | None:
    if column.type == "datetime":
        return "datetime64[ns]"
    if may_be_null(column) and column.type in ("boolean", "integer", "long"):
        return "float64"
    return _DTYPES.get(column.type)


def _parts(estimator: Any, seen: set[int]) -> Iterator[Any]:
    """The estimator and all that it is made of, fitted or not."""
    if id(estimator) in seen:
        return
    seen.add(id(estimator))
    if isinstance(estimator, list | tuple):
        for item in estimator:
            yield from _parts(item, seen)
    elif hasattr(estimator, "get_params") and not isinstance(estimator, type):
        yield estimator
        for value in list(vars(estimator).values()):
            yield from _parts(value, seen)


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
