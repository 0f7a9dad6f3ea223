"""Files and fields of multipart/form-data, bodies of bytes, and rows in lines."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from servestack_contract.settings import Column, Input, Tensor
from servestack_server.errors import RequestError
from servestack_server.input.content_type import parse_content_type
from servestack_server.input.forms import MAX_PARTS
from servestack_server.input.readers import read_body
from servestack_server.input.schema import Schema, compile_schema

PNG = b"\x89PNG\r\n\x1a\n--" + bytes(range(256)) + b"\r\n"
IMAGE = compile_schema(Input(columns=(Column("image", "binary"),)))
SEVERAL = compile_schema(
    Input(
        columns=(
            Column("image", "binary"), Column("camera", "string"),
            Column("zoom", "double", required=False),
        )
    )
)  # fmt: skip
ANY = compile_schema(Input())
PIXELS = compile_schema(Input(tensor=Tensor("uint8", (-1, 32, 32, 3))))
Fields = list[tuple[str, Any]]


def read(body: bytes, kind: str | bytes, schema: Schema) -> list[tuple[Any, ...]]:
    declared = parse_content_type(kind if isinstance(kind, bytes) else kind.encode())
    return [tuple(row) for row in read_body(body, declared, schema, 100)]


def form(fields: Fields, schema: Schema) -> list[tuple[Any, ...]]:
    return read(*encode_multipart_formdata(fields), schema)


def refusal(body: bytes, kind: str | bytes, schema: Schema) -> tuple[int, str, str]:
    with pytest.raises(RequestError) as caught:
        read(body, kind, schema)
    return caught.value.status, caught.value.code, caught.value.field


def file(data: bytes = PNG, name: str = "cat.png") -> tuple[str, bytes, str]:
    return name, data, "image/png"


@pytest.mark.parametrize("schema", [IMAGE, ANY])
def test_files_are_rows_whatever_they_are_called(schema: Schema) -> None:
    assert form([("file", file())], schema) == [(PNG,)]
    assert form([("image", file(name="../../etc/passwd"))], schema) == [(PNG,)]
    files: Fields = [("a", file(b"1")), ("b", file(b"2")), ("a", file(b"")), ("", file(b"4"))]
    assert form(files, schema) == [(b"1",), (b"2",), (b"",), (b"4",)]


def test_fields_are_columns() -> None:
    row = (PNG, "north", None)
    assert form([("image", file()), ("camera", "north")], SEVERAL) == [row]
    assert form([("zoom", ""), ("camera", "north"), ("image", file())], SEVERAL) == [row]
    twice: Fields = [
        ("image", file()), ("image", file(b"")), ("camera", "007"), ("camera", ("c.txt", b"\xc3\xa9", "text/plain")),
        ("zoom", "1e1"), ("zoom", ".5"),
    ]  # fmt: skip
    assert form(twice, SEVERAL) == [(PNG, "007", 10.0), (b"", "é", 0.5)]
    text: Fields = [("image", "AAEC"), ("camera", "x")]
    assert form(text, SEVERAL) == [(b"\0\1\2", "x", None)]
    assert form([("image", "AAEC")], IMAGE) == [(b"\0\1\2",)]
    assert form([("a", "1"), ("b", "x")], ANY) == [(1, "x")]


@pytest.mark.parametrize(
    ("fields", "schema", "expected"),
    [
        ([], IMAGE, (422, "no_rows", "")),
        ([("file", "text")], IMAGE, (422, "missing_column", "image")),
        ([("image", "no base64!")], IMAGE, (422, "not_allowed", "image")),
        ([("file", file())], SEVERAL, (422, "missing_column", "image")),
        ([("image", file()), ("camera", "x"), ("file", file())], SEVERAL,
         (422, "unknown_column", "file")),
        ([("image", file()), ("image", file()), ("camera", "x")], SEVERAL, (422, "wrong_length", "")),
        ([("image", file()), ("camera", "x"), ("zoom", "near")], SEVERAL, (422, "wrong_type", "zoom")),
        ([("image", file()), ("camera", file(b"\xff"))], SEVERAL, (400, "malformed_text", "")),
        ([("image", file()), ("camera", "")], SEVERAL, (422, "null_value", "camera")),
        ([("image", file())], PIXELS, (415, "unsupported_type", "")),
        ([("a", "1")] * (MAX_PARTS + 1), ANY, (400, "malformed_form", "")),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit(
    fields: Fields, schema: Schema, expected: tuple[int, str, str]
) -> None:
    assert refusal(*encode_multipart_formdata(fields), schema) == expected


def test_unknown_fields_are_ignored_where_the_spec_says_so() -> None:
    columns = (Column("image", "binary"), Column("camera", "string"))
    schema = compile_schema(Input(columns=columns, unknown_columns="ignore"))
    fields: Fields = [("image", file()), ("camera", "x"), ("by", "me"), ("raw", file())]
    assert form(fields, schema) == [(PNG, "x")]


HEAD = b'--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n'
WHOLE = HEAD + b"\r\n" + PNG + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", b"multipart/form-data; boundary=b"),
        (WHOLE, b"multipart/form-data"),
        (WHOLE, b"multipart/form-data; boundary="),
        (WHOLE, b"multipart/form-data; boundary=c"),
        (WHOLE, b"multipart/form-data; boundary=" + b"b" * 2000),
        (WHOLE[:-10], b"multipart/form-data; boundary=b"),
        (WHOLE[:20], b"multipart/form-data; boundary=b"),
        (b"[[1, 2]]", b"multipart/form-data; boundary=b"),
        (b"cut off" + WHOLE, b"multipart/form-data; boundary=b"),
        (b"a preamble\r\n" + WHOLE, b"multipart/form-data; boundary=b"),
        (WHOLE + WHOLE, b"multipart/form-data; boundary=b"),
        (WHOLE + b"an epilogue", b"multipart/form-data; boundary=b"),
        (b"--b--\r\n--b--", b"multipart/form-data; boundary=c"),
        (WHOLE.replace(b"form-data", b"attachment"), b"multipart/form-data; boundary=b"),
        (WHOLE.replace(b"name=", b"nom="), b"multipart/form-data; boundary=b"),
        (WHOLE.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 5000 + b"\r\n\r\n"),
         b"multipart/form-data; boundary=b"),
        (WHOLE.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
         b"multipart/form-data; boundary=b"),
        (WHOLE.replace(b"name", b"\xff"), b"multipart/form-data; boundary=b"),
    ],
)  # fmt: skip
def test_what_is_no_form(body: bytes, kind: bytes) -> None:
    assert read(WHOLE, b'Multipart/Form-Data; Boundary="b"', IMAGE) == [(PNG,)]
    assert refusal(body, kind, IMAGE) == (400, "malformed_form", "")


def test_a_form_without_a_field() -> None:
    assert refusal(b"--b--\r\n", b"multipart/form-data; boundary=b", IMAGE) == (422, "no_rows", "")


@pytest.mark.parametrize(
    "kind", ["image/png", "IMAGE/JPEG; q=1", "application/octet-stream", "audio/wav"]
)
def test_bytes_are_one_row(kind: str) -> None:
    assert read(PNG, kind, IMAGE) == read(PNG, kind, ANY) == [(PNG,)]
    assert refusal(PNG, kind, SEVERAL) == (415, "unsupported_type", "")
    assert refusal(PNG, kind, PIXELS) == (415, "unsupported_type", "")
    assert refusal(b"", kind, IMAGE) == (400, "empty_body", "")


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/mixed; boundary=b", "application/xml", "image"]
)
def test_other_types_are_refused(kind: str) -> None:
    assert refusal(PNG, kind, IMAGE) == (415, "unsupported_type", "")


def test_rows_in_lines() -> None:
    table = compile_schema(Input(columns=(Column("a", "double"), Column("b", "string"))))
    body = '\ufeff[1, "x"]\r\n\n{"b": "y", "a": 2}'.encode()
    for kind in ("application/x-ndjson", "application/jsonl; charset=UTF-8"):
        assert read(body, kind, table) == [(1.0, "x"), (2.0, "y")]
    kind = "application/x-ndjson"
    # A plain value is a row of its own, and not a value of the only row.
    assert refusal(b'1\n"x"', kind, table) == (422, "wrong_type", "")
    assert refusal(b'[1, "x"]\n[2', kind, table) == (400, "malformed_json", "")
    assert refusal(b'[1, "x"]\n[2, 3]', kind, table) == (422, "wrong_type", "b")
    assert refusal(b"\n\n", kind, table) == (422, "no_rows", "")
    assert refusal(b"", kind, table) == (400, "empty_body", "")
    assert refusal(b'[1,"x"]' * 101, kind, table) == (413, "too_many_rows", "")
    assert refusal(body, "application/x-ndjson; charset=utf-16", table)[:2] == (
        415,
        "unsupported_type",
    )
    assert refusal(gzip.compress(body), kind, table) == (400, "malformed_json", "")


BENT = st.lists(
    st.tuples(st.sampled_from(["image", "camera", "zoom", "", "\u00e9\r\n\""]), st.sampled_from([
        "", "x", "1e999", "\ud7ff", ("a", b"\xff\r\n--b--", "image/png"), ("", b"", ""), file(),
    ])),
    max_size=4,
)  # fmt: skip


@given(BENT, st.integers(0, 2000), st.binary(max_size=6), st.integers(0, 6))
def test_a_bent_form_is_refused_or_read(
    fields: Fields, at: int, put: bytes, leave_out: int
) -> None:
    """Nothing else than RequestError comes of it, and what is read is of the columns' types."""
    body, kind = encode_multipart_formdata(fields, "b")
    body = body[:at] + put + body[at + leave_out :]
    for schema in (IMAGE, SEVERAL, ANY, PIXELS):
        try:
            rows = read(body, kind, schema)
        except RequestError:
            continue
        if schema is not ANY:
            assert all(isinstance(row[0], bytes) for row in rows)
