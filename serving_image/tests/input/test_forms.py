"""The forms of a body."""

from __future__ import annotations

from typing import Any

import pytest

from servestack_contract.settings import Column, Input
from servestack_server.errors import RequestError
from servestack_server.input.bodies import read_csv, read_loose_rows, read_rows
from servestack_server.input.schema import Schema, compile_schema

TABLE = compile_schema(Input(columns=(Column("a", "double"), Column("b", "string"))))
ANY = compile_schema(Input())
ROWS = [(1.0, "x"), (2.0, "y")]


def tuples(rows: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    "body",
    [
        '[[1, "x"], [2, "y"]]',
        '[{"a": 1, "b": "x"}, {"b": "y", "a": 2}]',
        '[[1, "x"], {"b": "y", "a": 2}]',
        '{"data": [[1, "x"], [2, "y"]]}',
        '{"instances": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]}',
        '{"inputs": [[1, "x"], [2, "y"]]}',
        '{"inputs": {"b": ["x", "y"], "a": [1, 2]}}',
        '{"dataframe_records": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]}',
        '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}}',
        '{"dataframe_split": {"columns": ["b", "a"], "data": [["x", 1], ["y", 2]]}}',
        '{"dataframe_split": {"data": [[1, "x"], [2, "y"]], "index": [7, 8]}}',
        '{"instances": [[1, "x"], [2, "y"]], "params": {}}',
        ' \n[[1,"x"],[2,"y"]]\n ',
    ],
)
def test_all_of_them_are_rows(body: str) -> None:
    assert tuples(read_rows(body.encode(), TABLE)) == ROWS
    assert tuples(TABLE.convert(read_loose_rows(body.encode(), TABLE))) == ROWS


@pytest.mark.parametrize(
    "body",
    ['[1, "x"]', '{"a": 1, "b": "x"}', '{"inputs": {"a": 1, "b": "x"}}', '{"data": [1, "x"]}'],
)
def test_a_row_alone(body: str) -> None:
    assert tuples(read_rows(body.encode(), TABLE)) == ROWS[:1]


def test_columns_may_be_called_as_the_keys_are() -> None:
    schema = compile_schema(Input(columns=(Column("data", "double"), Column("inputs", "double"))))
    assert tuples(read_rows(b'{"data": 1, "inputs": 2}', schema)) == [(1.0, 2.0)]
    for body in (
        '{"data": [[1, 2]]}',
        '{"inputs": {"inputs": [2], "data": [1]}}',
        '{"data": [1, 2]}',
    ):
        assert tuples(read_rows(body.encode(), schema)) == [(1.0, 2.0)]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ("", 400, "empty_body", ""),
        ("{", 400, "malformed_json", ""),
        ("[[1, 'x']]", 400, "malformed_json", ""),
        ("[[1, \"x\"]] []", 400, "malformed_json", ""),
        ("[" * 100_000, 400, "too_deep", ""),
        ("[" * 5_000 + "]" * 5_000, 400, "too_deep", ""),
        ("5", 422, "wrong_type", ""),
        ("null", 422, "wrong_type", ""),
        ('"[[1, 2]]"', 422, "wrong_type", ""),
        ("[]", 422, "no_rows", ""),
        ('{"data": []}', 422, "no_rows", ""),
        ('{"data": 5}', 422, "wrong_type", "data"),
        ('{"data": null}', 422, "wrong_type", "data"),
        ('{"data": [[1, "x"]], "inputs": [[1, "x"]]}', 422, "ambiguous", "inputs"),
        ('{"instances": [[1, "x"]], "params": {"a": 1}}', 422, "unknown_field", "params"),
        ('{"inputs": {"a": [1], "b": []}}', 422, "wrong_length", "inputs"),
        ('{"inputs": {"a": [], "b": []}}', 422, "no_rows", ""),
        ('{"dataframe_split": []}', 422, "wrong_type", "dataframe_split"),
        ('{"dataframe_split": {"columns": ["a"]}}', 422, "wrong_type", "dataframe_split"),
        ('{"dataframe_split": {"columns": "ab", "data": [[1]]}}', 422, "wrong_type",
         "dataframe_split.columns"),
        ('{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', 422, "ambiguous",
         "dataframe_split.columns"),
        ('{"dataframe_split": {"columns": ["b", "a"], "data": [["x", 1], ["x"]]}}', 422,
         "wrong_length", ""),
        ('{"dataframe_split": {"columns": ["b", "c"], "data": [["x", 1]]}}', 422,
         "missing_column", "a"),
        ('{"rows": [[1, "x"]]}', 422, "no_rows", "rows"),
    ],
)  # fmt: skip
def test_what_is_none_of_them(body: str, status: int, code: str, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_rows(body.encode(), TABLE)
    error = caught.value
    assert (error.status, error.code, error.field) == (status, code, field)


def test_bytes_that_are_no_text() -> None:
    for body in (b'[[1, "\xff"]]', b'[[1, "\xed\xa0\x80"]]'):
        with pytest.raises(RequestError) as caught:
            read_rows(body, TABLE)
        assert (caught.value.status, caught.value.code) == (400, "malformed_json")


def csv(text: str | bytes, schema: Schema = TABLE) -> list[tuple[Any, ...]]:
    return tuples(read_csv(text if isinstance(text, bytes) else text.encode(), schema))


def test_csv_with_its_names_in_any_order() -> None:
    assert csv("b,a\nx,1\n\ny,2\n") == ROWS
    assert csv('\ufeffb,a\r\n"x",1\r\n"y",2.0') == ROWS
    assert csv('a,b\n1,"a ""b"", c"\n') == [(1.0, 'a "b", c')]
    assert csv("x,y\n1,z\n2,\n", ANY) == [(1, "z"), (2, None)]


def test_texts_of_csv_are_taken_as_they_stand() -> None:
    for text in ("1.50", "007", "1e5", "true", "NaN", "null", " x "):
        assert csv(f"a,b\n1,{text}\n") == [(1.0, text)]


def test_csv_as_pandas_writes_it() -> None:
    import pandas as pd

    frame = pd.DataFrame({"yes": [True, False], "n": [1, 2], "gap": [1.5, None], "s": ["1.0", "b"]})
    schema = compile_schema(
        Input(
            columns=(
                Column("yes", "boolean"), Column("n", "long"),
                Column("gap", "double", nullable=True), Column("s", "string"),
            )
        )
    )  # fmt: skip
    assert csv(frame.to_csv(index=False), schema) == [(True, 1, 1.5, "1.0"), (False, 2, None, "b")]


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"", 422, "no_rows"),
        (b"\n\n\n", 422, "no_rows"),
        (b"a,b\n", 422, "no_rows"),
        (b"a,b\n\n\n", 422, "no_rows"),
        (b"a,b\n1\n", 422, "wrong_length"),
        (b"a,a\n1,2\n", 422, "ambiguous"),
        (b"a,c\n1,2\n", 422, "missing_column"),
        (b"a,b\n,x\n", 422, "null_value"),
        (b"a,b\n1e999,x\n", 422, "wrong_type"),
        (b"a,b\nInfinity,x\n", 422, "wrong_type"),
        (b"a,b\nNaN,x\n", 422, "null_value"),
        (b"a,b\n" + b"9" * 5000 + b",x\n", 422, "wrong_type"),
        (b"a,b\n" + b"[" * 5000 + b",x\n", 422, "wrong_type"),
        (b"a,b\n\xff,x\n", 400, "malformed_csv"),
        (b'a,b\n"1,x\n', 400, "malformed_csv"),
        (b"a,b\n1," + b"x" * 200_000, 400, "malformed_csv"),
    ],
)
def test_csv_that_does_not_fit(text: bytes, status: int, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        csv(text)
    assert (caught.value.status, caught.value.code) == (status, code)
