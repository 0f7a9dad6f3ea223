"""Columns in rows of any form, outputs in answers of any form, and what is left behind when busy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servestack_contract.buckets import make_profile
from servestack_contract.settings import Column, Drift, Input, ModelPlace, ServerSettings, Tensor
from servestack_server.drift import watch
from servestack_server.drift.input_reader import InputReader, OtherFormError
from servestack_server.drift.output_reader import read_outputs
from servestack_server.drift.watch import DriftWatch
from servestack_server.input.schema import compile_schema
from servestack_server.input.tensor_rows import TensorRows
from servestack_server.metrics import ServerMetrics

TABLE = Input(
    columns=(
        Column("a", "double"), Column("photo", "binary"), Column("b", "string"), Column("c", "long")
    )
)  # fmt: skip


def read(given: Input, names: list[str], parts: list[Any]) -> list[list[Any]]:
    reader = InputReader(compile_schema(given))
    positions = [reader.columns[name] for name in names]
    found = reader.read(parts, positions, reader.width or 2)
    return [np.asarray(values).tolist() for values in found]


def test_a_table_keeps_no_large_values() -> None:
    reader = InputReader(compile_schema(TABLE))
    assert list(reader.columns) == ["a", "b", "c"]
    assert reader.has_large_values
    kept = reader.without_large_values([(1.0, b"x" * 1000, "t", 2)])
    assert kept == [(1.0, None, "t", 2)]
    parts = [kept, [(3.0, None, "u", 4), (5.0, None, "v", 6)]]
    assert read(TABLE, ["c", "b"], parts) == [[2, 4, 6], ["t", "u", "v"]]
    assert read(TABLE, ["a"], parts) == [[1, 3, 5]]
    assert read(TABLE, ["a", "c"], parts) == [[1, 3, 5], [2, 4, 6]]


def test_a_table_of_numbers_becomes_an_array() -> None:
    """With the values that rows themselves have: null is NaN, true is 1."""
    columns = (Column("a", "double"), Column("b", "long"), Column("c", "boolean"))
    reader = InputReader(compile_schema(Input(columns=columns)))
    rows = [(1.5, 2, True), (None, 2**60, False)]
    array = reader.compact(rows)
    assert isinstance(array, np.ndarray)
    plain, compact = (reader.read([given], [0, 1, 2], 3) for given in (rows, array))
    np.testing.assert_array_equal(np.array(plain), np.array(compact))
    assert InputReader(compile_schema(TABLE)).compact(rows) is rows


def test_arrays() -> None:
    tensor = Input(tensor=Tensor("float32", (-1, 3)))
    parts = [np.arange(6.0).reshape(2, 3), np.arange(3.0).reshape(1, 3)]
    assert read(tensor, ["0", "2"], parts) == [[0, 3, 0], [2, 5, 2]]
    images = InputReader(compile_schema(Input(tensor=Tensor("uint8", (-1, 8, 8)))))
    assert images.columns == {}
    several = Input(tensors=(Tensor("float32", (-1, 1), "x"), Tensor("float32", (-1, 9), "image")))
    rows = TensorRows({"x": np.ones((2, 1)), "image": np.ones((2, 9))})
    assert read(several, ["x"], [rows]) == [[1, 1]]


def test_columns_of_a_profile_are_found() -> None:
    by_name = make_profile({"c": [1, 2] * 50, "z": [1, 2] * 50}, {}, is_by_position=False)
    table, tensor, unknown = (
        InputReader(compile_schema(given))
        for given in (TABLE, Input(tensor=Tensor("float32", (-1, 2))), Input())
    )
    assert table.positions(by_name) == [3, None]
    assert tensor.positions(by_name) == [0, 1]
    assert unknown.positions(by_name) == [0, 1]
    wide = make_profile({str(at): [1, 2] * 50 for at in range(3)}, {}, is_by_position=True)
    assert tensor.positions(wide) == [None] * 3


def test_rows_of_another_form() -> None:
    unknown = InputReader(compile_schema(Input()))
    assert unknown.read([[[1, 2]], [(3, 4)]], [1], 2) == [(2, 4)]
    other_forms: tuple[list[Any], ...] = ([{"messages": []}], [[1, 2, 3]], [[1, 2], "text"])
    for rows in other_forms:
        with pytest.raises(OtherFormError):
            unknown.read([rows], [0], 2)


@pytest.mark.parametrize(
    ("parts", "names", "expected"),
    [
        ([np.array([1, 2]), np.array([3])], ["prediction"], {"prediction": [1, 2, 3]}),
        ([np.array([[1], [2]])], ["y"], {"y": [1, 2]}),
        ([np.array([[1, 2], [3, 4]])], ["0", "1"], {"0": [1, 3], "1": [2, 4]}),
        ([["a", "b"], ["c"]], None, {"prediction": ["a", "b", "c"]}),
        ([[{"x": 1, "y": 2}]], None, {"x": [1], "y": [2]}),
        ([[[1, 2], [3, 4]]], None, {"0": [1, 3], "1": [2, 4]}),
        (
            [{"label": np.array([1, 2]), "probabilities": np.ones((2, 3))}],
            ["prediction"], {"prediction": [1, 2]},
        ),
        ([{"x": np.array([1]), "y": np.array([2])}], ["x", "y"], {"x": [1], "y": [2]}),
    ],
)  # fmt: skip
def test_outputs(parts: list[Any], names: list[str] | None, expected: Any) -> None:
    size = len(next(iter(expected.values())))
    found = read_outputs(parts, names, size)
    assert {name: np.asarray(values).tolist() for name, values in found.items()} == expected


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ([np.ones((2, 3))], ["prediction"]),
        ([np.ones((2, 3, 4))], ["prediction"]),
        ([["a"]], ["x", "y"]),
        (["text"], ["x", "y"]),
        ([{}], ["x"]),
        ([[{"x": 1}]], ["x", "y"]),
    ],
)
def test_outputs_of_another_form(parts: list[Any], names: list[str]) -> None:
    with pytest.raises(OtherFormError):
        read_outputs(parts, names, len(parts[0]))


def test_what_waits_is_bounded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows beyond the bound are not counted, and that is told."""
    import asyncio

    monkeypatch.setattr(watch, "MAX_WAITING_ROWS", 100)
    settings = ServerSettings(
        name="m", models=(ModelPlace("m", str(tmp_path)),),
        input=Input(columns=(Column("a", "double"),)),
    )  # fmt: skip
    metrics = ServerMetrics(settings)
    given = Drift(rows_per_second=5000)

    async def ask() -> None:
        drift = DriftWatch(settings, compile_schema(settings.input), metrics, given)
        for _ in range(3):
            drift.count("m", [(1.0,)] * 60, np.ones(60))
        text = metrics.drift_text()
        assert 'model_service="m",reason="busy"} 120.0' in text
        await asyncio.sleep(3 * watch.PERIOD_SECONDS)
        drift.count("m", [(1.0,)] * 60, np.ones(60))
        assert 'model_service="m",reason="busy"} 120.0' in metrics.drift_text()

    asyncio.run(ask())
