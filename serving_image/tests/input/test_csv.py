"""CSV: its names, its cells, its charsets, and what is no CSV."""

from __future__ import annotations

from typing import Any

import pytest

from servestack_contract.settings import Column, Input, Tensor
from servestack_server.errors import RequestError
from servestack_server.input.content_type import parse_content_type
from servestack_server.input.readers import read_body
from servestack_server.input.schema import Schema, compile_schema

TABLE = compile_schema(Input(columns=(Column("a", "double"), Column("b", "string"))))
ANY = compile_schema(Input())
ROWS = [(1.0, "x"), (2.0, "y")]


def csv(
    text: str | bytes, schema: Schema = TABLE, *, declared: bytes = b"text/csv", max_rows: int = 9
) -> list[tuple[Any, ...]]:
    body = text if isinstance(text, bytes) else text.encode()
    rows: Any = read_body(body, parse_content_type(declared), schema, max_rows)
    return [tuple(row) for row in rows]


def refusal(text: str | bytes, schema: Schema = TABLE, **how: Any) -> tuple[int, str, str]:
    with pytest.raises(RequestError) as caught:
        csv(text, schema, **how)
    return caught.value.status, caught.value.code, caught.value.field


def test_csv_with_its_names_in_any_order() -> None:
    assert csv("b,a\nx,1\n\ny,2\n") == ROWS
    assert csv('\ufeffb,a\r\n"x",1\r\n"y",2.0') == ROWS
    assert csv('"b","a"\r\n\r\nx, 1\r\ny,2 \r\n\r\n') == ROWS
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


def test_numbers_as_others_write_them() -> None:
    types = ("integer", "long", "float", "double")
    for cell, value in {"+5": 5, "05": 5, "5.": 5, "5.0": 5, "5e0": 5, "\t5 ": 5}.items():
        for of in types:
            schema = compile_schema(Input(columns=(Column("a", of),)))  # type: ignore[arg-type]
            assert csv(f"a\n{cell}\n", schema) == [(value,)], (cell, of)
    gaps = compile_schema(
        Input(columns=(Column("a", "double", nullable=True), Column("b", "long")))
    )
    assert csv("a,b\n.5,+9007199254740993\n", gaps) == [(0.5, 9007199254740993)]
    for cell in ("", "NaN", "nan", "NA", "N/A", "null", "NULL", "None"):
        assert csv(f"a,b\n{cell},1\n", gaps) == [(None, 1)]
    for cell in ("1,5", "1_000", "0x10", "٣", "--5", ".", "+", "1e", "1e999", "inf", "five"):
        assert refusal(f'a,b\n"{cell}",1\n', gaps) == (422, "wrong_type", "a"), cell


def test_booleans_as_others_write_them() -> None:
    schema = compile_schema(Input(columns=(Column("a", "boolean", nullable=True),)))
    assert csv("a\nTrue\nFALSE\ntrue\nNA\n", schema) == [(True,), (False,), (True,), (None,)]
    for cell in ("1", "yes", '"True "'):
        assert refusal(f"a\n{cell}\n", schema) == (422, "wrong_type", "a")


@pytest.mark.parametrize(
    "charset", ["utf-8", '"UTF-8"', "utf-16", "latin-1", "ISO-8859-1", "windows-1252", "EUC-KR"]
)
def test_charsets(charset: str) -> None:
    text = "가" if charset in ("EUC-KR", "utf-16") else "é"
    body = f"a,b\r\n1,{text}\r\n".encode(charset.strip('"'))
    assert csv(body, declared=f"text/csv; header=present; charset={charset}".encode()) == [
        (1.0, text)
    ]


@pytest.mark.parametrize(
    "charset", [b"idna", b"utf-7", b"zlib", b"x" * 5000, b"\xff", b"unicode_escape"]
)
def test_what_is_no_charset(charset: bytes) -> None:
    declared = b"text/csv; charset=" + charset
    assert refusal("a,b\n1,x\n", declared=declared) == (415, "unsupported_type", "")


@pytest.mark.parametrize(
    ("text", "input_", "declared"),
    [
        ("1,x\n2,y\n", TABLE, b"text/csv"),
        ("a;b\n1;x\n", TABLE, b"text/csv"),
        ("1,2\n1,2\n", ANY, b"text/csv"),
        ("1,1\n1,2\n", ANY, b"text/csv"),
        ("5.1,3.5\n", compile_schema(Input(tensor=Tensor("float64", (-1, 2)))), b"text/csv"),
        ("1,x\n2,y\n", ANY, b"text/csv;header=absent"),
    ],
)
def test_a_first_line_without_names_is_not_lost(text: str, input_: Schema, declared: bytes) -> None:
    assert refusal(text, input_, declared=declared) == (422, "no_header", "")


def test_an_array_as_pandas_writes_it() -> None:
    import pandas as pd

    frame = pd.DataFrame([[5.5, 1.0], [2.0, 3.0]])
    tensor = compile_schema(Input(tensor=Tensor("float64", (-1, 2))))
    for schema in (ANY, tensor):
        assert csv(frame.to_csv(index=False), schema) == [(5.5, 1.0), (2.0, 3.0)]
        assert refusal(frame.to_csv(), schema) == (422, "unknown_column", "")
    named = frame.set_axis(["a", "b"], axis=1)
    assert refusal(named.to_csv()) == (422, "unknown_column", "")
    assert csv(named.to_csv(index=False), ANY) == [(5.5, 1.0), (2.0, 3.0)]


def test_unknown_columns_are_ignored_where_the_spec_says_so() -> None:
    columns = (Column("a", "double"), Column("b", "string"))
    schema = compile_schema(Input(columns=columns, unknown_columns="ignore"))
    assert csv(",b,c,a\n0,x,9,1\n", schema) == ROWS[:1]
    assert refusal(",b,c\n0,x,9\n", schema) == (422, "missing_column", "a")


def test_more_rows_than_may_be() -> None:
    assert len(csv("a,b\n" + "1,x\n" * 9)) == 9
    assert refusal("a,b\n" + "1,x\n" * 10) == (413, "too_many_rows", "")


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
        (b"a,b\n\xff,x\n", 400, "malformed_text"),
        (b'a,b\n"1,x\n', 400, "malformed_csv"),
        (b"a,b\n1," + b"x" * 200_000, 400, "malformed_csv"),
    ],
)
def test_csv_that_does_not_fit(text: bytes, status: int, code: str) -> None:
    assert refusal(text)[:2] == (status, code)
