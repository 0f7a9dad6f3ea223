"""servestack.profile: what it takes, what it writes, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import servestack
from servestack.profiling import ProfileError
from servestack_contract.artifact import ArtifactError, digest_of
from servestack_contract.buckets import counter_of, make_column
from servestack_contract.profile import (
    FILE,
    MAX_BYTES,
    MAX_COLUMNS,
    NULL,
    OTHER,
    CategoryColumn,
    NumericColumn,
    dump_profile,
    read_profile,
)

RANDOM = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {
        "income": np.where(RANDOM.random(1000) < 0.1, np.nan, RANDOM.lognormal(10, 1, 1000)),
        "visits": RANDOM.integers(0, 4, 1000),
        "plan": RANDOM.choice(["free", "basic"], 1000),
        "active": RANDOM.random(1000) < 0.5,
        "nullable": pd.array(
            [None if at % 4 == 0 else at % 3 for at in range(1000)], dtype="Int64"
        ),
        "email": [f"{at}@example.com" for at in range(1000)],
        "when": pd.date_range("2026-01-01", periods=1000, freq="min"),
        "nothing": [None] * 1000,
    }
)


def test_a_frame() -> None:
    made = servestack.profile(FRAME, FRAME["visits"])
    columns = {column.name: column for column in made.profile.columns}
    assert list(columns) == ["income", "visits", "plan", "active", "nullable"]
    assert set(made.left_out) == {"email", "when", "nothing"}
    income = columns["income"]
    assert isinstance(income, NumericColumn)
    assert len(income.counts) == 10
    assert income.nulls == FRAME["income"].isna().sum()
    assert max(income.counts) - min(income.counts) <= 1
    assert income.labels[0].startswith("(-Inf, ")
    assert income.labels[-2:] == (NULL, OTHER)
    assert isinstance(columns["visits"], CategoryColumn)
    assert columns["visits"].labels == ("0", "1", "2", "3", NULL, OTHER)
    assert columns["active"].labels == ("false", "true", NULL, OTHER)
    assert columns["nullable"].nulls == 250
    assert [column.position for column in columns.values()] == [0, 1, 2, 3, 4]
    (prediction,) = made.profile.predictions
    assert prediction.name == "prediction"
    assert not made.profile.is_by_position


@pytest.mark.parametrize(
    "given",
    [
        RANDOM.normal(size=(200, 2)),
        RANDOM.normal(size=(200, 2)).tolist(),
        RANDOM.normal(size=(200, 2)).astype(np.float32),
        pd.DataFrame(RANDOM.normal(size=(200, 2))),
    ],
    ids=["array", "lists", "float32", "frame without names"],
)
def test_data_without_names(given: Any) -> None:
    made = servestack.profile(given, RANDOM.random((200, 3))).profile
    assert made.is_by_position
    assert [column.name for column in made.columns] == ["0", "1"]
    assert [column.name for column in made.predictions] == ["0", "1", "2"]


def test_records() -> None:
    rows = [{"a": at, "b": "x"} for at in range(100)] + [{"b": "y"}] * 50
    made = servestack.profile(rows).profile
    assert [(column.name, column.nulls) for column in made.columns] == [("a", 50), ("b", 0)]


@pytest.mark.parametrize(
    ("rows", "predictions", "words"),
    [
        (None, None, "X is None: give a DataFrame"),
        ("text", None, "X is of type str"),
        (FRAME["income"], None, "X is of type Series"),
        (np.zeros(3), None, "X has shape (3,)"),
        (np.zeros((3, 2, 2)), None, "profiles are of tables"),
        (np.zeros((0, 2)), None, "no rows or no columns"),
        ([], None, "no rows or no columns"),
        ([[1, 2], [1]], None, "row 1 has 1 values, and row 0 has 2"),
        ([[1], {"a": 1}], None, "row 1 is of type dict"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), None, "two columns are called 'a'"),
        (np.ones((3, 1)), [1, 2], "there are 3 rows, and predictions for 2"),
        (np.ones((3, 1)), 7, "predictions are of type int"),
        (np.ones((3, 1)), np.zeros((3, 1, 1)), "predictions have shape (3, 1, 1)"),
        ([["a"], ["b"], ["c"]], None, "no column has buckets: 0: hardly any value occurs often"),
    ],
)
def test_one_error_says_what_is_wrong(rows: Any, predictions: Any, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        servestack.profile(rows, predictions)
    assert words in str(caught.value)


def test_the_file_is_read_again_and_the_digest_covers_it(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}")
    before = digest_of(tmp_path).sha256
    made = servestack.profile(FRAME, FRAME["plan"])
    assert made.save(tmp_path) == tmp_path / FILE
    assert read_profile(tmp_path / FILE) == made.profile
    assert digest_of(tmp_path).sha256 != before
    assert (tmp_path / FILE).read_bytes() == servestack.profile(FRAME, FRAME["plan"]).text


def test_places_that_take_none(tmp_path: Path) -> None:
    made = servestack.profile(FRAME)
    with pytest.raises(ProfileError, match="is not a folder: save the model first"):
        made.save(tmp_path / "nowhere")
    with pytest.raises(ProfileError, match="is not the model_uri that"):
        made.log("models:/iris/3")


def test_its_size_is_bounded() -> None:
    wide = servestack.profile(RANDOM.normal(size=(600, MAX_COLUMNS + 5)))
    assert len(wide.profile.columns) == MAX_COLUMNS
    assert len(wide.left_out) == 5
    assert len(wide.text) < MAX_BYTES / 4
    letters = servestack.profile([[chr(65 + at % 26) * 300] for at in range(2600)]).profile
    (column,) = letters.columns
    assert len(column.counts) == 20
    assert column.other == 600
    assert all(len(label) <= 60 for label in column.labels)


@pytest.mark.parametrize(
    "values",
    [
        ["(null)", "(other)", "null", "1", "true", "[1, 2)", '"x"', "a\nb", ""],
        ["é" * 80 + "1", "é" * 80 + "2", "\ud800"],
    ],
)
def test_labels_differ_and_fit_into_a_metric(values: list[str]) -> None:
    column = make_column("x", values * 20)
    assert len(set(column.labels)) == len(values) + 2
    assert all(label.isprintable() and label.encode() for label in column.labels)


def test_rounding_to_32_bits_moves_no_value() -> None:
    tenths = RANDOM.integers(0, 80, 2000) / 10
    column = make_column("x", tenths.astype(np.float32))
    assert counter_of(column)(tenths.tolist()).tolist() == list(column.all_counts)


def test_what_is_no_number_is_counted_apart() -> None:
    column = make_column("x", RANDOM.normal(size=100))
    counts = counter_of(column)([1.0, None, float("nan"), "text", [1], float("inf"), 10**400])
    assert counts.sum() == 7
    assert counts[-2:].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("1", "2"), "has version 2, and 1 is read"),
        (('"counts"', '"count"'), "is not a profile: Object"),
        (('"rows": 300', '"rows": 301'), "has 300 values for 301 rows"),
        (('"cuts": [', '"cuts": [1e300,'), "has 6 counts for 6 cuts"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    text = dump_profile(servestack.profile(RANDOM.normal(size=(300, 1))).profile).decode()
    assert change[0] in text
    (tmp_path / FILE).write_text(text.replace(*change, 1))
    with pytest.raises(ArtifactError) as caught:
        read_profile(tmp_path / FILE)
    assert words in str(caught.value)


def test_the_import_is_light() -> None:
    code = (
        "import sys, servestack; servestack.profile; "
        "sys.exit(bool({'numpy', 'pandas', 'mlflow', 'pydantic', 'pulumi'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
