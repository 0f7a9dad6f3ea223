"""All forms of a body give the same rows, whatever the columns and values are."""

from __future__ import annotations

import base64
import csv
import io
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_image.tests.support.moments import moment_texts
from urllib3.filepost import encode_multipart_formdata

from servestack_contract.settings import Column, Input, ServerSettings
from servestack_server.api.inference import InferEndpoint
from servestack_server.errors import RequestError
from servestack_server.input.bodies import read_loose_rows, read_rows
from servestack_server.input.content_type import parse_content_type
from servestack_server.input.readers import read_body, read_loose_body
from servestack_server.input.schema import TableSchema, compile_schema

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WHOLE = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


def values(column: Column) -> st.SearchStrategy[Any]:
    """What JSON has for a column's values."""
    made: st.SearchStrategy[Any]
    match column.type:
        case "boolean":
            made = st.booleans()
        case "integer" | "long":
            low, high = WHOLE[column.type]
            made = st.integers(low if column.minimum is None else int(column.minimum), high)
        case "float" | "double":
            made = st.floats(column.minimum, column.maximum, allow_nan=False, allow_infinity=False)
        case "string":
            made = TEXT
        case "binary":
            made = st.binary(max_size=12).map(lambda raw: base64.b64encode(raw).decode())
        case _:
            made = moment_texts()
    if column.enum is not None:
        made = st.sampled_from(column.enum)
    return st.none() | made if column.nullable or not column.required else made


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    names = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=6, unique=True))
    made = []
    for name in names:
        kind: Any = draw(st.sampled_from(
            ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]
        ))  # fmt: skip
        is_number = kind in ("integer", "long", "float", "double")
        low = draw(st.none() | st.integers(-1000, 0)) if is_number else None
        high = draw(st.none() | st.integers(1, 1000)) if kind in ("float", "double") else None
        enum = None
        if kind == "string" and draw(st.booleans()):
            enum = tuple(draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True)))
        made.append(
            Column(
                name, kind, required=draw(st.booleans()), nullable=draw(st.booleans()),
                minimum=low, maximum=high, enum=enum,
            )
        )  # fmt: skip
    return tuple(made)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Column, ...], list[list[Any]]]:
    made = draw(columns())
    row = st.tuples(*map(values, made)).map(list)
    return made, draw(st.lists(row, min_size=1, max_size=5))


def as_csv(names: list[str], rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    for row in rows:
        writer.writerow(
            "" if v is None else v if isinstance(v, str) else json.dumps(v) for v in row
        )
    return text.getvalue().encode()


def forms(names: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    records = [dict(zip(names, row, strict=True)) for row in rows]
    turned = [dict(reversed(record.items())) for record in records]
    return {
        "rows": rows,
        "records": records,
        "records in another order": turned,
        "data": {"data": rows},
        "instances": {"instances": records},
        "inputs": {"inputs": {name: [row[at] for row in rows] for at, name in enumerate(names)}},
        "dataframe_records": {"dataframe_records": records},
        "dataframe_split": {"dataframe_split": {"columns": names, "data": rows}},
        "dataframe_split in another order": {
            "dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in rows]}
        },
    }


def other_forms(schema: TableSchema, rows: list[list[Any]]) -> dict[str, tuple[bytes, bytes]]:
    """(content type, body) of what is not one value of JSON."""
    names = list(schema.names)
    records = forms(names, rows)["records in another order"]
    made = {
        "lines": (b"application/x-ndjson", b"\n".join(json.dumps(row).encode() for row in rows)),
        "records in lines": (
            b"application/jsonl", b"".join(json.dumps(row).encode() + b"\r\n" for row in records)
        ),
    }  # fmt: skip
    if all(value != "" for row in rows for value in row):  # CSV has one word for both.
        made["CSV"] = (b"text/csv", as_csv(names, rows))
        fields = [
            (name, as_field(column.type, value))
            for row in rows
            for name, column, value in zip(names, schema.columns, row, strict=True)
        ]
        body, kind = encode_multipart_formdata(fields)
        made["form"] = (kind.encode(), body)
    return made


def as_field(kind: str, value: Any) -> Any:
    """A text of a form, or for binary values a file."""
    if kind == "binary" and value is not None:
        return "a name", base64.b64decode(value), "image/png"
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@given(tables())
def test_all_forms_give_the_same_rows(
    table: tuple[tuple[Column, ...], list[list[Any]]],
) -> None:
    made, rows = table
    schema = compile_schema(Input(columns=made))
    assert isinstance(schema, TableSchema)
    names = list(schema.names)
    expected = list(map(tuple, schema.convert(rows)))
    for form, body in forms(names, rows).items():
        data = json.dumps(body, allow_nan=False).encode()
        assert list(map(tuple, read_rows(data, schema))) == expected, form
        loose = schema.convert(read_loose_rows(data, schema))
        assert list(map(tuple, loose)) == expected, form
    for form, (kind, data) in other_forms(schema, rows).items():
        given = parse_content_type(kind)
        assert list(map(tuple, read_body(data, given, schema, 5))) == expected, form
        loose = schema.convert(read_loose_body(data, given, schema, 5))
        assert list(map(tuple, loose)) == expected, form


@given(tables(), st.data())
def test_the_row_and_the_field_at_fault_are_told(
    table: tuple[tuple[Column, ...], list[list[Any]]], data: st.DataObject
) -> None:
    made, rows = table
    schema = compile_schema(Input(columns=made))
    names = [column.name for column in made]
    at = data.draw(st.integers(0, len(rows) - 1))
    which = data.draw(st.integers(0, len(made) - 1))
    wrong = data.draw(st.sampled_from([[], {"a": 1}, [1]]))
    rows[at][which] = wrong
    for form, body in forms(names, rows).items():
        with pytest.raises(RequestError) as caught:
            read_rows(json.dumps(body).encode(), schema)
        error = caught.value
        told = (error.status, error.code, error.field, error.row)
        assert told == (422, "wrong_type", names[which], at), form


NUMBERS = ["integer", "long", "float", "double"]
DATATYPES = {"integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64"}


@given(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=5), st.data())
def test_tensors_by_column_give_the_same_rows(kinds: list[str], data: st.DataObject) -> None:
    made = tuple(Column(f"c{at}", kind) for at, kind in enumerate(kinds))  # type: ignore[arg-type]
    schema = compile_schema(Input(columns=made))
    numbers = {
        "integer": st.integers(-(2**31), 2**31 - 1), "long": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "double": st.floats(allow_nan=False, allow_infinity=False),
    }  # fmt: skip
    rows = data.draw(
        st.lists(st.tuples(*(numbers[kind] for kind in kinds)), min_size=1, max_size=4)
    )
    expected = list(map(tuple, schema.convert([list(row) for row in rows])))
    tensors, raw, told = [], b"", []
    for at, (column, kind) in enumerate(zip(made, kinds, strict=True)):
        datatype = DATATYPES[kind]
        of_column = [row[at] for row in rows]
        dtype = {"INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}[datatype]
        packed = np.array(of_column, dtype).tobytes()
        about = {"name": column.name, "shape": [len(rows)], "datatype": datatype}
        tensors.append(about | {"data": of_column})
        told.append(about | {"parameters": {"binary_data_size": len(packed)}})
        raw += packed
    settings = ServerSettings(name="iris", models=())
    service: Any = SimpleNamespace(schema=schema, settings=settings, params=None, unit_key=None)
    endpoint = InferEndpoint(service, None, "")  # type: ignore[arg-type]
    for inputs, rest in ((tensors, b""), (told, raw)):
        head = json.dumps({"inputs": inputs}).encode()
        length = {b"inference-header-content-length": b"%d" % len(head)}
        request: Any = SimpleNamespace(body=head + rest, headers=length)
        assert list(map(tuple, endpoint.read(request))) == expected
