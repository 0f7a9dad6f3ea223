"""Models with several tensors: all forms of a body give the same arrays, or one clear error."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from serving_image.tests.api.bent_requests import bend

from servestack_contract.settings import Input, Tensor
from servestack_server.errors import RequestError, StartError
from servestack_server.input.bodies import read_loose_rows, read_rows
from servestack_server.input.schema import compile_schema
from servestack_server.input.tensor_rows import TensorRows, concatenated

SEVERAL = compile_schema(
    Input(
        tensors=(
            Tensor("float32", (-1, 2, 2), "image"),
            Tensor("int64", (-1,), "age"),
            Tensor("str", (-1, 1), "town"),
        )
    )
)
ROWS: list[dict[str, Any]] = [
    {"image": [[1.5, 2], [3, 4]], "age": 40, "town": ["Bonn"]},
    {"image": [[5, 6], [7, 8]], "age": 50, "town": ["Ulm"]},
]
LISTS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
FLAT = [
    {"town": "Bonn", "age": 40, "image": [1.5, 2, 3, 4]},
    {"town": "Ulm", "age": 50, "image": [5, 6, 7, 8]},
]
CELLS = [[row["town"], row["image"], row["age"]] for row in ROWS]


def read(body: Any, schema: Any = SEVERAL) -> Any:
    return read_rows(json.dumps(body).encode(), schema)


@pytest.mark.parametrize(
    "body",
    [
        ROWS,
        LISTS,
        {"instances": ROWS},
        {"data": ROWS},
        {"inputs": LISTS},
        {"inputs": ROWS},
        {"dataframe_records": FLAT},
        {"dataframe_split": {"columns": ["town", "image", "age"], "data": CELLS}},
        {"dataframe_split": {"data": [[*row.values()] for row in ROWS]}},
        [[*row.values()] for row in ROWS],
    ],
)
def test_all_forms_give_the_same_arrays(body: Any) -> None:
    rows = read(body)
    assert isinstance(rows, TensorRows)
    assert {name: array.dtype for name, array in rows.arrays.items()} == {
        "image": np.float32, "age": np.int64, "town": np.dtype(object),
    }  # fmt: skip
    assert rows["image"].shape == (2, 2, 2)
    assert rows.tolist() == ROWS
    loose = read_loose_rows(json.dumps(body).encode(), SEVERAL)
    assert TensorRows.stacked(list(SEVERAL.convert(loose))).tolist() == ROWS  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [ROWS[0], FLAT[0], {"inputs": ROWS[0]}, {"instances": FLAT[0]}])
def test_a_single_row_is_told_from_a_list_for_each_name(body: Any) -> None:
    assert read(body).tolist() == ROWS[:1]


@pytest.mark.parametrize(
    ("body", "code", "field", "row"),
    [
        ([ROWS[0], {**ROWS[1], "age": "50"}], "wrong_type", "age", 1),
        ([ROWS[0], {**ROWS[1], "age": 2**63}], "out_of_range", "age", None),
        ([ROWS[0], {**ROWS[1], "age": None}], "null_value", "age", 1),
        ([ROWS[0], {**ROWS[1], "image": [[1, 2, 3]]}], "wrong_shape", "image", None),
        ([{**ROWS[0], "image": [1, 2, 3]}], "wrong_shape", "image", None),
        ([{**ROWS[0], "weight": 1}], "unknown_column", "weight", 0),
        ([ROWS[0], {"image": [[1, 2], [3, 4]]}], "missing_column", "age", 1),
        ([ROWS[0], [[[1, 2], [3, 4]], 40]], "wrong_length", "", 0),
        ({"inputs": LISTS | {"age": [40]}}, "wrong_length", "inputs", None),
        ({"inputs": {"image": LISTS["image"]}}, "missing_column", "age", 0),
        ([], "no_rows", "", None),
        ({"inputs": []}, "no_rows", "", None),
        ({"instances": [1]}, "wrong_length", "", 0),
    ],
)
def test_what_is_refused(body: Any, code: str, field: str, row: int | None) -> None:
    with pytest.raises(RequestError) as refused:
        read(body)
    error = refused.value
    assert (error.status, error.code, error.field, error.row) == (422, code, field, row)
    assert error.message.count("row ") <= 1


def test_a_single_tensor_may_be_named() -> None:
    schema = compile_schema(Input(tensor=Tensor("float64", (-1, 2), "x")))
    expected = [[1.0, 2.0], [3.0, 4.0]]
    for body in (
        expected,
        {"inputs": {"x": expected}},
        {"x": expected},
        {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]},
        {"dataframe_split": {"columns": ["x"], "data": [[[1, 2]], [[3, 4]]]}},
        {"dataframe_split": {"columns": ["a", "b"], "data": expected}},
        {"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
    ):
        assert read(body, schema).tolist() == expected, body
    assert read({"x": [1, 2]}, schema).tolist() == expected[:1]


def test_values_of_a_single_feature_are_rows() -> None:
    schema = compile_schema(Input(tensor=Tensor("int64", (-1, 1))))
    assert read({"instances": [1, 2.0, 3]}, schema).tolist() == [[1], [2], [3]]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    schema = compile_schema(Input(tensor=Tensor("int8", (-1, 2))))
    assert read([[1.0, 2]], schema).tolist() == [[1, 2]]
    with pytest.raises(RequestError, match="expected a whole number"):
        read([[1.5, 2]], schema)


@drawn(st.data())
def test_a_bent_body_is_read_or_refused(data: st.DataObject) -> None:
    """Any other error would be a 500."""
    draw: Any = data.draw
    body: Any = data.draw(st.sampled_from([ROWS, LISTS, {"inputs": LISTS}, {"instances": FLAT}]))
    body = json.loads(json.dumps(body))
    for _ in range(data.draw(st.integers(1, 3))):
        body = bend(draw, body)
    try:
        rows = read(body)
    except RequestError as error:
        assert error.status in (400, 422)
    else:
        assert len(rows) == len(rows.tolist()) > 0


@pytest.mark.parametrize("names", [("a", None), ("a", "a")])
def test_each_tensor_needs_a_name(names: tuple[str | None, ...]) -> None:
    with pytest.raises(StartError, match="name of their own"):
        compile_schema(Input(tensors=tuple(Tensor("int8", (-1,), name) for name in names)))


def test_rows_are_cut_and_put_together() -> None:
    rows = read(ROWS)
    assert len(rows) == 2
    assert rows[1:].tolist() == ROWS[1:]
    assert rows[0]["age"] == 40
    assert concatenated([rows, rows[1:]]).tolist() == [*ROWS, ROWS[1]]
    with pytest.raises(TypeError, match="neither an array nor a list"):
        concatenated([(1,), "text"])
