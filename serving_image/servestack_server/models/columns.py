"""Which columns of a row a model takes, and in which order."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from servestack_contract.settings import Column
from servestack_server.errors import StartError

_log = logging.getLogger(__name__)
TEXTUAL = frozenset({"string", "binary", "datetime"})
"""Column types whose values are not numbers."""


def may_be_null(column: Column) -> bool:
    """Whether a row may hold None there: said to, or left out of the request."""
    return column.nullable or not column.required


def feature_positions(
    columns: tuple[Column, ...] | None, features: Sequence[str] | None, model: str
) -> list[int] | None:
    """Index in the row for each feature of the model; None where rows fit as they are.

    Names decide where the model knows its own and all are among the columns; otherwise positions
    do, and then the counts must be equal (StartError).
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
            f"{model}: takes {len(features)} features, the input has {len(names)} columns; "
            f"not among them: {', '.join(missing[:5])}",
            "name the columns of spec.input as the model was trained with them",
        )
    _log.warning(
        "%s: the columns have other names than the model's features, so positions decide", model
    )
    return None


def require_numbers(columns: tuple[Column, ...] | None, model: str, framework: str) -> None:
    """StartError where a column is text and the framework takes numbers alone."""
    text = [column.name for column in columns or () if column.type in TEXTUAL]
    if text:
        raise StartError(
            f"{model}: {framework} takes numbers, and these columns are not: {', '.join(text[:5])}",
            "log a pipeline that encodes them, or declare them as numbers",
        )
