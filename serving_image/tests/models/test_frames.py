"""DataFrames for models that need one: those that pandas makes of the same columns by name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from servestack_contract.settings import Column
from servestack_server.models.frames import build_frame_maker

_COLUMNS = (
    Column("word", "string"), Column("count", "long", nullable=True), Column("share", "double"),
    Column("at", "datetime"), Column("is_new", "boolean"),
)  # fmt: skip
_FIRST, _SECOND = datetime(2024, 1, 1), datetime(2024, 1, 2)
_ROWS: list[Any] = [
    ("a", 2**53 + 1, 0.5, _FIRST, True), ("b", 4, 1.5, _SECOND, False),
]  # fmt: skip
_NULLS: list[Any] = [("a", None, 0.5, _FIRST, True), (None, 4, 1.5, _SECOND, False)]
_DTYPES = {"share": "float64", "at": "datetime64[ns]", "is_new": "bool"}


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 0, 2, 1, 3]])
@pytest.mark.parametrize("rows", [_ROWS, _NULLS, _ROWS[:1]])
def test_a_frame_is_the_one_that_pandas_makes(rows: list[Any], order: list[int]) -> None:
    names = [_COLUMNS[at].name for at in order]
    made = build_frame_maker(_COLUMNS, names, "model")(rows)
    by_name = {column.name: [row[at] for row in rows] for at, column in enumerate(_COLUMNS)}
    count = np.array(by_name["count"], dtype="float64" if None in by_name["count"] else "int64")
    series = {name: np.array(values, dtype=object) for name, values in by_name.items()}
    series |= {name: np.array(by_name[name], dtype=dtype) for name, dtype in _DTYPES.items()}
    series["count"] = count
    expected = pd.DataFrame({name: series[name] for name in names})
    pd.testing.assert_frame_equal(made, expected, check_exact=True)


def test_frames_share_their_labels_and_no_values() -> None:
    make = build_frame_maker(_COLUMNS, [], "model")
    first, second = make(_ROWS), make(_ROWS)
    assert first.columns is second.columns
    first.columns = list("vwxyz")
    first.iloc[0, 2] = 9.0
    assert list(second.columns) == [column.name for column in _COLUMNS]
    assert second.iloc[0, 2] == 0.5


def test_an_optional_column_without_a_value_is_left_out_for_mlflow() -> None:
    columns = (Column("a", "double"), Column("b", "double", required=False), Column("c", "double"))
    make = build_frame_maker(columns, [], "model", for_mlflow=True)
    assert list(make([(1.0, None, 2.0)])) == ["a", "c"]
    assert make([(1.0, None, 2.0)])["c"].tolist() == [2.0]
    assert list(make([(1.0, 3.0, 2.0)])) == ["a", "b", "c"]
