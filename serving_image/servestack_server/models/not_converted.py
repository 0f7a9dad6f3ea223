"""The error of everything that may convert a model."""

from __future__ import annotations

from typing import Any

from servestack_contract.settings import Column
from servestack_server.models.categories import booster_of, has_categories
from servestack_server.models.columns import TEXTUAL
from servestack_server.models.frames import parts_of


class NotConvertedError(Exception):
    """The model has no other form. The message says why, in one line."""


def require_no_categories(flavor: str, native: Any) -> None:
    """Raise NotConvertedError for a LightGBM or XGBoost model that was trained on categories, also as
    a part of a scikit-learn model."""
    if flavor in ("lightgbm", "xgboost"):
        boosters = [getattr(native, "booster_", native)]
    else:
        boosters = [booster for part in parts_of(native) if (booster := booster_of(part))]
    if any(map(has_categories, boosters)):
        raise NotConvertedError("columns of pandas' type category are served natively")


def require_plain_text(columns: tuple[Column, ...] | None, form: str) -> None:
    """Raise NotConvertedError for a column that is neither numbers nor text in every row."""
    for column in columns or ():
        if column.type in TEXTUAL and (column.may_be_null or column.type != "string"):
            raise NotConvertedError(f"column {column.name}: {form} cannot hold its values")
