"""The forms of a JSON body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from servestack_contract.settings import Column, Input
from servestack_server.errors import RequestError
from servestack_server.input.bodies import read_loose_rows, read_rows
from servestack_server.input.language_models import LoneBody
from servestack_server.input.records import NamedRow
from servestack_server.input.schema import compile_schema

ANY = compile_schema(Input())
TABLE = compile_schema(Input(columns=(Column("a", "double"), Column("b", "string"))))
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
        '\ufeff[[1,"x"],[2,"y"]]\r\n',
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
        ('{"dataframe_split": {"data": [[1, "x"]], "names": ["a", "b"]}}', 422, "unknown_field",
         "dataframe_split.names"),
        ('{"dataframe_split": {"data": [[1, "x"]], "index": [0, 1]}}', 422, "wrong_length",
         "dataframe_split.index"),
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


def test_rows_of_an_unknown_input_keep_their_names() -> None:
    for body in (
        '[{"zip": "95120", "cost": 1.5}, {"cost": 2.5, "zip": "95128"}]',
        '{"dataframe_split": {"columns": ["zip", "cost"], "data": [["95120", 1.5], ["95128", 2.5]]}}',
    ):
        rows = read_rows(body.encode(), ANY)
        assert tuples(rows) == [("95120", 1.5), ("95128", 2.5)]
        assert {row.names for row in rows if isinstance(row, NamedRow)} == {("zip", "cost")}
    numbered = read_rows(b'{"dataframe_split": {"columns": [0, 1], "data": [["a", 1]]}}', ANY)
    assert list(numbered) == [["a", 1]]


def test_the_body_of_a_language_model_stays_as_it_is() -> None:
    chat = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0.5}
    assert read_rows(json.dumps(chat).encode(), ANY) == [LoneBody(chat)]
