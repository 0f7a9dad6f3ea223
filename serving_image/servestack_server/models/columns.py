"""Maps the columns of a row to the features of a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from servestack_contract.settings import NESTED_TYPES, Column
from servestack_server.errors import StartError

_log = logging.getLogger(__name__)
TEXTUAL = frozenset({"string", "binary", "datetime", *NESTED_TYPES})
"""Column types whose values are not numbers."""


def feature_positions(
    columns: tuple[Column, ...] | None, features: Sequence[str] | None, model: str
) -> list[int] | None:
    """Return the index in the row for each feature of the model; None if rows fit unchanged.

    Names decide if the model knows its features' names and all of them are columns. Otherwise the
    position decides. Raises StartError if the counts then differ. `model` is a name for messages.
    """
    if columns is None or not features:
        return None
    names = [column.name for column in columns]
    index = {name: position for position, name in enumerate(names)}
    if all(feature in index for feature in features):
        positions = [index[feature] for feature in features]
        return None if positions == list(range(len(names))) else positions
    if len(names) != len(features):
        missing = [feature for feature in features if feature not in index]
        raise StartError(
            f"{model}: takes {len(features)} features, but the input has {len(names)} columns; "
            f"missing: {', '.join(missing[:5])}",
            "name the columns of spec.input as in the model's training",
        )
    _log.warning(
        "%s: the columns have other names than the model's features, so their order decides", model
    )
    return None


def taken(
    columns: tuple[Column, ...] | None, positions: Sequence[int] | None
) -> tuple[Column, ...] | None:
    """Return the columns of the features. `positions` is a result of `feature_positions`."""
    if columns is None or positions is None:
        return columns
    return tuple(columns[at] for at in positions)


def require_numbers(columns: tuple[Column, ...] | None, model: str, framework: str) -> None:
    """Raise StartError if a column is text, for a framework that takes only numbers."""
    text = [column.name for column in columns or () if column.type in TEXTUAL]
    if text:
        raise StartError(
            f"{model}: {framework} takes only numbers, but these columns are not numbers: {', '.join(text[:5])}",
            "log a pipeline that encodes them, or declare them as numbers",
        )
