"""Columns of pandas' type category, in models of LightGBM and XGBoost.

Such a model is trained on the codes of a column's categories, and keeps the categories themselves. A
request brings values, so each becomes its code here. A value that was not there in training is
missing, as pandas makes it NaN in a column with the categories of the training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from servestack_contract.settings import Column, Input
from servestack_server.errors import StartError
from servestack_server.models.columns import TEXTUAL
from servestack_server.models.model import Array, Rows

Categories = Mapping[int, Sequence[Any]]
"""The categories of each feature that has some, by its position, in the order of their codes."""
_KINDS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,), "integer": (int,), "long": (int,), "float": (int, float),
    "double": (int, float), "string": (str,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coded:
    """An input whose categories are codes. `codes` has the code of each value, by column."""

    given: Input
    codes: Mapping[int, Mapping[Any, int]]

    def before(self, make: Callable[[Rows], Array]) -> Callable[[Rows], Array]:
        """Return `make`, which takes this input, as a function of rows with categories."""
        return (lambda rows: make(self._coded(rows))) if self.codes else make

    def _coded(self, rows: Rows) -> Rows:
        values = list(zip(*rows, strict=True))
        for at, code_of in self.codes.items():
            values[at] = tuple(code_of.get(value) for value in values[at])
        return list(zip(*values, strict=True))


def code_input(
    given: Input, positions: Sequence[int] | None, categories: Categories, model: str
) -> Coded:
    """Return the input that has codes, as doubles, in the place of the features' categories.

    `positions` are the columns of the features, in order; None for all. Raises StartError if the
    input is no table, or a column's type is not that of its categories.
    """
    if not categories:
        return Coded(given, {})
    if given.columns is None:
        raise StartError(
            f"{model}: was trained on columns of pandas' type category, but the input has no columns",
            "log the model with a signature, or set spec.input.columns",
        )
    columns = list(given.columns)
    codes = {}
    for feature, values in categories.items():
        at = positions[feature] if positions is not None else feature
        require_kind(columns[at], values, model)
        codes[at] = {value: code for code, value in enumerate(values)}
        columns[at] = msgspec.structs.replace(columns[at], type="double", nullable=True)
    return Coded(msgspec.structs.replace(given, columns=tuple(columns)), codes)


def require_kind(column: Column, categories: Sequence[Any], model: str) -> None:
    """Raise StartError unless a value of the column's type can be one of its categories."""
    kinds = _KINDS.get(column.type, ())
    if categories and not any(type(value) in kinds for value in categories):
        shown = ", ".join(map(repr, categories[:3]))
        raise StartError(
            f"{model}: column {column.name!r} is {column.type}, but its categories are such as {shown}",
            "give the column the type of its categories in spec.input.columns",
        )


def has_categories(booster: Any) -> bool:
    """Whether a Booster of either framework was trained on pandas' categories."""
    is_xgboost = type(booster).__module__.startswith("xgboost")
    return "c" in (booster.feature_types or ()) if is_xgboost else bool(booster.pandas_categorical)


def booster_of(estimator: Any) -> Any | None:
    """Return the Booster of a fitted estimator of LightGBM or XGBoost; None for any other."""
    package = type(estimator).__module__.partition(".")[0]
    try:
        if package == "lightgbm":
            return getattr(estimator, "booster_", None)
        return estimator.get_booster() if package == "xgboost" else None
    except (AttributeError, ValueError):  # it is not fitted, or no estimator
        return None


def lightgbm_categories(booster: Any, columns: Sequence[Column] | None, model: str) -> Categories:
    """Return the categories that LightGBM keeps as `pandas_categorical`.

    `columns` are those of the features, in order. The file says which features have categories that
    are not ordered, and for how many columns it keeps categories, in the order of the columns. So
    text is always of a category; if that does not account for all, the unordered ones are too.
    Raises StartError if neither does: an ordered category of numbers looks like any number.
    Source: `_data_from_pandas` of lightgbm/basic.py (LightGBM 4.7).
    """
    kept: list[list[Any]] | None = booster.pandas_categorical
    if not kept:
        return {}
    text = {at for at, column in enumerate(columns or ()) if column.type in TEXTUAL}
    for found in (text, text | _unordered(booster)):
        if len(found) == len(kept):
            return dict(zip(sorted(found), kept, strict=True))
    raise StartError(
        f"{model}: was trained on {len(kept)} columns of pandas' type category, and its file does not "
        "say which they are",
        "train on text, on categories that are not ordered, or on codes with categorical_feature",
    )


def _unordered(booster: Any) -> set[int]:
    """Return the features that the training took as categorical."""
    for line in booster.model_to_string(num_iteration=1).splitlines():
        if line.startswith("[categorical_feature: "):
            listed = line[len("[categorical_feature: ") : -1]
            return {int(number) for number in listed.split(",") if number}
    return set()


def xgboost_categories(booster: Any, columns: Sequence[Column] | None, model: str) -> Categories:
    """Return the categories that XGBoost keeps from 3.1 on, of the features of type `c`.

    `columns` are those of the features, in order. Raises StartError for a column of text whose
    categories the file does not hold, or holds damaged.
    """
    types = booster.feature_types or ()
    if "c" not in types:
        return {}
    whole = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    kept = whole.get("model", whole).get("cats", {}).get("enc") or [{}] * len(types)
    categories: dict[int, Sequence[Any]] = {}
    for at in (at for at, kind in enumerate(types) if kind == "c"):
        column = columns[at] if columns is not None else None
        if kept[at].get("values"):
            categories[at] = _xgboost_values(kept[at], column, model)
        elif column is not None and column.type in TEXTUAL:
            raise StartError(
                f"{model}: the categories of column {column.name!r} are not in its file",
                "train it on a DataFrame with XGBoost 3.1 or newer, or declare its codes as numbers",
            )
    return categories


def _xgboost_values(kept: Mapping[str, Any], column: Column | None, model: str) -> Sequence[Any]:
    """Return one column's categories. Source: XGBoost's JSON format, `CatContainer`.

    Text is UTF-8 in one row, cut at `offsets`. XGBoost 3.2 counts these in characters where they are
    bytes, and so cuts off what is not ASCII. Such text is taken from the column's `enum` if it makes
    the same bytes and offsets. Raises StartError if it does not.
    """
    values: list[Any] = kept["values"]
    offsets = kept.get("offsets")
    if offsets is None:
        return values
    stored = bytes(value & 0xFF for value in values)
    if stored.isascii():
        return [stored[start:end].decode() for start, end in pairwise(offsets)]
    known = [str(value) for value in (column.enum if column is not None else None) or ()]
    for texts in (known, sorted(known)):
        encoded = [text.encode() for text in texts]
        for parts in (texts, encoded):
            ends = list(accumulate(map(len, parts), initial=0))
            if ends == offsets and b"".join(encoded)[: len(stored)] == stored:
                return texts
    name = column.name if column is not None else "?"
    raise StartError(
        f"{model}: XGBoost has not kept the categories of column {name!r} as they were, because they "
        "are not ASCII",
        "list them in the order of the training as its enum in spec.input.columns",
    )
