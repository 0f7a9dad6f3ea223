"""What each type of column takes, and what is said of the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from servestack_contract.settings import Column, Input, Tensor, TensorType
from servestack_server.errors import RequestError, StartError
from servestack_server.input.bodies import read_rows
from servestack_server.input.schema import compile_schema


def read(body: Any, *columns: Column) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_rows(text, compile_schema(Input(columns=columns)))


def refused(body: Any, *columns: Column) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body, *columns)
    return caught.value


def column(kind: Any, **settings: Any) -> Column:
    return Column("a", kind, **settings)


@pytest.mark.parametrize(
    ("given", "value", "as_read"),
    [
        (column("boolean"), "true", True),
        (column("integer"), "-2147483648", -(2**31)),
        (column("integer"), "40.0", 40),
        (column("long"), "9223372036854775807", 2**63 - 1),
        (column("float"), "1", 1.0),
        (column("double"), "-0.5e-3", -0.0005),
        (column("double"), "123456789012345678901234567890", 123456789012345678901234567890.0),
        (column("string"), '"ä\\u0000"', "ä\0"),
        (column("string"), '""', ""),
        (column("binary"), '"AAEC"', b"\0\1\2"),
        (column("binary"), '""', b""),
        (column("datetime"), '"2026-01-31T12:00:00Z"', datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (column("datetime"), '"2026-01-31"', datetime(2026, 1, 31)),
        (column("double", minimum=0.5, maximum=1.5), "0.5", 0.5),
        (column("double", minimum=0.5, maximum=1.5), "1.5", 1.5),
        (column("long", minimum=0.5, maximum=2.5), "1", 1),
        (column("string", enum=("x", "y")), '"y"', "y"),
        (column("long", enum=(1, 5)), "5", 5),
        (column("double", enum=(1, 2.5)), "1", 1.0),
        (column("double", enum=(1, 2.5)), "2.5", 2.5),
        (column("boolean", enum=(True,)), "true", True),
        (column("double", nullable=True), "null", None),
        (column("string", nullable=True, enum=("x",)), "null", None),
        (column("datetime"), '"2261-12-31"', datetime(2261, 12, 31)),
        (column("binary"), '"AQID"', b"\1\2\3"),
        (column("binary"), '"AQID\\n"', b"\1\2\3"),  # as MLflow's encoder writes it
        (column("binary"), '"AQ\\r\\nID\\r\\n"', b"\1\2\3"),
        (column("binary"), '"-_8="', b"\xfb\xff"),
        (column("binary"), '"+/8"', b"\xfb\xff"),
        (column("datetime", nullable=True), "null", None),
        (column("double", nullable=True, minimum=1), "null", None),
        (column("long", required=False), "null", None),
    ],
)
def test_what_is_taken(given: Column, value: str, as_read: Any) -> None:
    for body in (f"[[{value}]]", f'[{{"a": {value}}}]', f'{{"inputs": {{"a": [{value}]}}}}'):
        ((got,),) = read(body.encode(), given)
        assert got == as_read
        assert type(got) is type(as_read)


@pytest.mark.parametrize(
    ("given", "value", "code", "words"),
    [
        (column("boolean"), "1", "wrong_type", "expected true or false, got a whole number"),
        (column("boolean"), '"true"', "wrong_type", "got a string"),
        (column("integer"), "2147483648", "out_of_range", "at most 2147483647"),
        (column("integer"), "1.5", "wrong_type", "a whole number, got a number"),
        (column("integer"), "true", "wrong_type", "got true or false"),
        (column("long"), "9223372036854775808", "out_of_range", ""),
        (column("long"), "1" + "0" * 40, "out_of_range", ""),
        (column("double"), '"5.1"', "wrong_type", "expected a number, got a string"),
        (column("double"), "true", "wrong_type", ""),
        (column("double"), "[1]", "wrong_type", "got a list"),
        (column("double"), '{"b": 1}', "wrong_type", "got an object"),
        (column("double"), "null", "null_value", "expected a number, got null"),
        (column("double"), "1" + "0" * 400, "out_of_range", ""),
        (column("string"), "null", "null_value", "expected a string, got null"),
        (column("string"), "5", "wrong_type", "expected a string, got a whole number"),
        (column("binary"), '"A"', "not_allowed", "expected base64"),
        (column("binary"), '"ä"', "not_allowed", "expected base64"),
        (column("datetime"), '"yesterday"', "not_allowed", "2026-01-31T12:00:00Z"),
        (column("datetime"), "0", "wrong_type", ""),
        (column("datetime"), '"9999-12-31"', "out_of_range", "a year from 1678 to 2261"),
        (column("datetime"), '"1677-12-31T23:59:59"', "out_of_range", "a year from 1678"),
        (column("double", minimum=0.5), "0.4999", "out_of_range", "at least 0.5"),
        (column("double", maximum=100), "100.5", "out_of_range", "at most 100"),
        (column("double", maximum=100, nullable=True), "101", "out_of_range", "at most 100"),
        (column("long", minimum=0.5), "0", "out_of_range", "at least 1"),
        (column("long", maximum=2.5), "3", "out_of_range", "at most 2"),
        (column("string", enum=("x", "y")), '"z"', "not_allowed", "expected one of x, y"),
        (column("long", enum=(1, 5)), "2", "not_allowed", "expected one of 1, 5"),
        (column("double", enum=(1, 2.5)), "2", "not_allowed", "expected one of 1, 2.5"),
        (column("boolean", enum=(True,)), "false", "not_allowed", "expected one of true"),
    ],
)
def test_what_is_refused(given: Column, value: str, code: str, words: str) -> None:
    """As the only column, and as the second one in the third row."""
    first = Column("first", "double")
    for body in (f"[[{value}]]", f'[{{"a": {value}}}]'):
        error = refused(body.encode(), given)
        assert (error.status, error.code, error.field, error.row) == (422, code, "a", 0)
        assert words in error.message
    for body in (
        f"[[1, X], [2, X], [3, {value}]]",
        f'{{"dataframe_split": {{"columns": ["a", "first"], "data": [[X, 1], [X, 1], [{value}, 1]]}}}}',
        f'{{"inputs": {{"first": [1, 2, 3], "a": [X, X, {value}]}}}}',
    ):
        fine = {"boolean": "true", "string": '"x"', "binary": '""', "datetime": '"2026-01-01"'}
        good = fine.get(given.type, "1")
        error = refused(body.replace("X", good).encode(), first, given)
        assert (error.code, error.field, error.row) == (code, "a", 2)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nan", "1e999"])
def test_words_that_are_not_json(word: str) -> None:
    error = refused(f"[[{word}]]".encode(), column("double"))
    if word == "1e999":
        assert error.status in (400, 422)
    else:
        assert (error.status, error.code) == (400, "malformed_json")
    if word in ("NaN", "Infinity", "-Infinity"):
        assert "send null for a missing value" in error.message


@pytest.mark.parametrize(
    ("body", "code", "field", "row"),
    [
        ([{"a": 1.0}], "missing_column", "b", 0),
        ([{"a": 1, "b": 1, "c": 1}, {"b": 1}], "missing_column", "a", 1),
        ([{"a": 1, "b": 1, "e": 1, "d": 1}], "unknown_column", "d", 0),
        ([{}], "missing_column", "a", 0),
        ({}, "missing_column", "a", 0),
        ([[1, 2]], "wrong_length", "", 0),
        ([[1, 2, 3], [1, 2, 3, 4]], "wrong_length", "", 1),
        ([[1, 2, 3], 5], "wrong_type", "", 1),
        ([[1, 2, 3], None], "null_value", "", 1),
        ([[1, 2, 3], {"a": 1, "b": "x", "c": 1}], "wrong_type", "b", 1),
    ],
)
def test_rows_of_the_wrong_columns(body: Any, code: str, field: str, row: int) -> None:
    columns = (Column("a", "double"), Column("b", "double"), Column("c", "long", required=False))
    error = refused(body, *columns)
    assert (error.status, error.code, error.field, error.row) == (422, code, field, row)
    assert f"row {row}" in error.message


def test_an_optional_column_may_be_left_out() -> None:
    columns = (Column("a", "double"), Column("c", "long", required=False))
    assert list(map(tuple, read([{"a": 1}, {"c": 2, "a": 3}], *columns))) == [(1.0, None), (3.0, 2)]


def test_columns_that_cannot_be_are_refused_at_the_start() -> None:
    for wrong in (
        (column("double"), column("long")),
        (column("string", enum=()),),
        (column("long", minimum=1e300),),
        (column("long", enum=(2**70,)),),
        (column("string", enum=("a", 1.5)),),
    ):
        with pytest.raises(StartError):
            compile_schema(Input(columns=wrong))


TENSORS: list[TensorType] = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"
]  # fmt: skip


@pytest.mark.parametrize("dtype", TENSORS)
def test_tensors_of_each_type(dtype: TensorType) -> None:
    schema = compile_schema(Input(tensor=Tensor(dtype, (-1, 2))))
    value = "true" if dtype == "bool" else "1"
    for body in (
        f"[[{value}, {value}]]",
        f"[{value}, {value}]",
        f'{{"inputs": [[{value}, {value}]]}}',
    ):
        array: Any = read_rows(body.encode(), schema)
        assert (array.dtype, array.shape) == (np.dtype(dtype), (1, 2))
        assert array.all()


def test_tensors_of_strings() -> None:
    array: Any = read_rows(b'[["a", "bb"]]', compile_schema(Input(tensor=Tensor("str", (-1, 2)))))
    assert array.tolist() == [["a", "bb"]]


@pytest.mark.parametrize(
    ("dtype", "shape", "body", "code"),
    [
        ("float64", (-1, 2), "[[1, 2, 3]]", "wrong_shape"),
        ("float64", (-1, 2), "[[1, 2], [1]]", "wrong_shape"),
        ("float64", (-1, 2), "[[[1, 2]]]", "wrong_type"),
        ("float64", (-1, 2), '[[1, "2"]]', "wrong_type"),
        ("float64", (-1, 2), "[[1, null]]", "null_value"),
        ("float64", (-1, 2), "[[1, true]]", "wrong_type"),
        ("int64", (-1, 2), "[[1, 1.5]]", "wrong_type"),
        ("int8", (-1, 2), "[[1, 300]]", "out_of_range"),
        ("uint8", (-1, 2), "[[1, -1]]", "out_of_range"),
        ("int64", (-1, 2), "[[1, 9223372036854775808]]", "out_of_range"),
        ("float16", (-1, 2), "[[1, 70000]]", "out_of_range"),
        ("float32", (-1, 2), "[[1, 1e39]]", "out_of_range"),
        ("bool", (-1, 2), "[[1, 0]]", "wrong_type"),
        ("float64", (-1, 2, -1), "[[[1], [2]], [[1], [2], [3]]]", "wrong_shape"),
        ("float64", (-1, 2), "[]", "no_rows"),
        ("float64", (-1, 2), '{"a": [1, 2]}', "no_rows"),
        ("float64", (-1,), "[[1]]", "wrong_type"),
    ],
)
def test_tensors_that_do_not_fit(
    dtype: TensorType, shape: tuple[int, ...], body: str, code: str
) -> None:
    schema = compile_schema(Input(tensor=Tensor(dtype, shape)))
    with pytest.raises(RequestError) as caught:
        read_rows(body.encode(), schema)
    assert (caught.value.status, caught.value.code) == (422, code)


def test_a_tensor_of_one_axis_has_values_for_rows() -> None:
    array: Any = read_rows(b"[1, 2, 3]", compile_schema(Input(tensor=Tensor("float32", (-1,)))))
    assert array.tolist() == [1, 2, 3]


def test_without_a_schema_rows_have_one_length() -> None:
    schema = compile_schema(Input())
    assert read_rows(b'[[1, "a"], [null, 2]]', schema) == [[1, "a"], [None, 2]]
    assert read_rows(b'[{"x": 1, "y": 2}, {"y": 4, "x": 3}]', schema) == [(1, 2), (3, 4)]
    for body, code in (
        (b"[[1, 2], [1]]", "wrong_length"),
        (b"[[1], 2]", "wrong_type"),
        (b'[{"x": 1}, {"y": 1}]', "wrong_type"),
        (b"[[1, [2]], [1, 2]]", "wrong_type"),
        (b'[[1, {"a": 2}]]', "wrong_type"),
    ):
        with pytest.raises(RequestError) as caught:
            read_rows(body, schema)
        assert caught.value.code == code


def test_a_dot_is_a_name_like_any_other() -> None:
    schema = compile_schema(Input(columns=(Column("a", "boolean"), Column(".", "boolean"))))
    with pytest.raises(RequestError) as caught:
        schema.convert([[True, []]])
    assert (caught.value.field, caught.value.row) == (".", 0)
