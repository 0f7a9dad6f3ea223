"""How requests of the Open Inference Protocol are read: null, bytes, content types, shapes."""

from __future__ import annotations

import base64
import json
import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from serving_image.tests.api.bent_requests import bend

from servestack_contract.settings import Column, Input, ServerSettings, Tensor
from servestack_server.api.inference import InferEndpoint
from servestack_server.api.tensors import to_bytes
from servestack_server.docs_page.inference_protocol import infer_example
from servestack_server.errors import RequestError
from servestack_server.input.schema import compile_schema

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
TEXT = "Köln"


def read(given: Input, *tensors: dict[str, Any], raw: bytes = b"", **request: Any) -> Any:
    """The rows of a request, as the endpoint reads them."""
    return read_body(given, {"inputs": list(tensors)} | request, raw)


def read_body(given: Input, asked: Any, raw: bytes) -> Any:
    head = json.dumps(asked).encode()
    service: Any = SimpleNamespace(
        unit_key=None,
        schema=compile_schema(given),
        params=None,
        settings=ServerSettings(name="m", models=()),
    )
    sent: Any = SimpleNamespace(
        body=head + raw, headers={b"inference-header-content-length": b"%d" % len(head)}
    )
    return InferEndpoint(service, None, "").read(sent)  # type: ignore[arg-type]


def refused(given: Input, *tensors: dict[str, Any], raw: bytes = b"", **request: Any) -> Any:
    with pytest.raises(RequestError) as caught:
        read(given, *tensors, raw=raw, **request)
    assert caught.value.status == 422
    return caught.value


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> Any:
    given = {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}
    return given | ({"parameters": None})


def packed(name: str, elements: list[bytes], **parameters: Any) -> tuple[dict[str, Any], bytes]:
    """A tensor of BYTES behind the JSON, and its bytes."""
    raw = b"".join(struct.pack("<I", len(one)) + one for one in elements)
    parameters = {"binary_data_size": len(raw)} | parameters
    shape = [len(elements)]
    return {"name": name, "datatype": "BYTES", "shape": shape, "parameters": parameters}, raw


NULLABLE = Input(columns=(
    Column("i", "long", required=False), Column("f", "double", nullable=True),
    Column("b", "boolean", nullable=True), Column("s", "string", nullable=True),
))  # fmt: skip


def test_null_is_a_missing_value_of_a_column_that_may_be_null() -> None:
    rows = read(
        NULLABLE,
        tensor("i", "INT64", [1, None]), tensor("f", "FP64", [None, 0.5]),
        tensor("b", "BOOL", [True, None], [2, 1]), tensor("s", "BYTES", [None, "x"]),
    )  # fmt: skip
    assert list(map(tuple, rows)) == [(1, None, True, None), (None, 0.5, None, "x")]


def test_null_in_another_column_is_refused_as_in_json() -> None:
    error = refused(Input(columns=(Column("i", "long"),)), tensor("i", "INT64", [1, None]))
    assert (error.code, error.field, error.row) == ("null_value", "i", 1)
    error = refused(NULLABLE, tensor("i", "INT8", [None, 300]))
    assert (error.code, error.field) == ("out_of_range", "i")


def test_null_in_a_tensor_of_floats_is_nan() -> None:
    floats = Input(tensor=Tensor("float32", (-1, 2)))
    rows = read(floats, tensor("x", "FP32", [1.5, None], [1, 2]))
    assert rows.dtype == np.float32
    assert np.array_equal(rows, [[1.5, np.nan]], equal_nan=True)
    whole = Input(tensor=Tensor("int64", (-1,)))
    assert refused(whole, tensor("x", "INT64", [1, None])).code == "null_value"
    assert refused(whole, tensor("x", "FP64", [1, None])).code == "wrong_type"


def test_data_is_nested_or_flat() -> None:
    given = Input(tensor=Tensor("int64", (-1, 2, 2)))
    nested = [[[1, 2], [3, 4]]]
    for data in (nested, [1, 2, 3, 4], [[1, 2, 3, 4]]):
        assert read(given, tensor("x", "INT64", data, [1, 2, 2])).tolist() == nested


BINARY = Input(columns=(Column("image", "binary"), Column("town", "string")))


def test_raw_bytes_reach_a_binary_column_as_they_are() -> None:
    (image, first), (town, second) = packed("image", [JPEG, b""]), packed("town", [b"a", b"b"])
    rows = read(BINARY, image, town, raw=first + second)
    assert list(map(tuple, rows)) == [(JPEG, "a"), (b"", "b")]


def test_json_holds_them_in_base64() -> None:
    encoded = base64.b64encode(JPEG).decode()
    rows = read(BINARY, tensor("image", "BYTES", [encoded]), tensor("town", "BYTES", [TEXT]))
    assert list(map(tuple, rows)) == [(JPEG, TEXT)]
    matrix = tensor("input", "BYTES", [encoded, TEXT], [1, 2])
    assert list(map(tuple, read(BINARY, matrix))) == [(JPEG, TEXT)]


@pytest.mark.parametrize(
    ("content_type", "element", "expected"),
    [
        ("base64", base64.b64encode(JPEG), JPEG),
        ("str", TEXT.encode(), TEXT.encode()),
        ("np", JPEG, JPEG),
        ("pd", JPEG, JPEG),
        (None, JPEG, JPEG),
        (7, JPEG, JPEG),
    ],
)
def test_content_types_of_mlserver_say_how_bytes_are_read(
    content_type: Any, element: bytes, expected: bytes
) -> None:
    given = Input(columns=(Column("image", "binary"),))
    told, raw = packed("image", [element], content_type=content_type)
    assert list(map(tuple, read(given, told, raw=raw))) == [(expected,)]
    told, raw = packed("image", [element])
    of_all = {"parameters": {"content_type": content_type}}
    assert list(map(tuple, read(given, told, raw=raw, **of_all))) == [(expected,)]


def test_content_types_of_json() -> None:
    binary = Input(columns=(Column("b", "binary"),))
    text = Input(columns=(Column("s", "string"),))
    dates = Input(columns=(Column("d", "datetime"),))
    encoded = base64.b64encode(TEXT.encode()).decode()
    as_text = tensor("b", "BYTES", [TEXT]) | {"parameters": {"content_type": "str"}}
    in_base64 = tensor("s", "BYTES", [encoded]) | {"parameters": {"content_type": "base64"}}
    date = tensor("d", "BYTES", ["2026-01-31T12:00:00"])
    date["parameters"] = {"content_type": "datetime"}
    assert list(map(tuple, read(binary, as_text))) == [(TEXT.encode(),)]
    assert list(map(tuple, read(text, in_base64))) == [(TEXT,)]
    assert read(dates, date)[0][0].isoformat() == "2026-01-31T12:00:00"
    error = refused(text, in_base64 | {"data": ["no base64!"]})
    assert (error.code, error.field) == ("not_allowed", "s")


def test_bytes_that_are_no_text_are_refused_where_text_is_wanted() -> None:
    told, raw = packed("town", [JPEG])
    for given in (
        Input(columns=(Column("town", "string"),)),
        Input(tensor=Tensor("str", (-1,))),
        Input(),
    ):
        error = refused(given, told, raw=raw)
        assert (error.code, error.field) == ("wrong_type", "town")


def test_text_tensors() -> None:
    told, raw = packed("x", [TEXT.encode(), b"b"])
    given = Input(tensor=Tensor("str", (-1, 1)))
    assert read(given, told, raw=raw).tolist() == [[TEXT], ["b"]]
    assert read(given, tensor("x", "BYTES", [[TEXT], ["b"]], [2, 1])).tolist() == [[TEXT], ["b"]]
    assert refused(given, tensor("x", "BYTES", ["a", 1])).code == "wrong_type"


SHAPES: list[tuple[Input, list[int], list[Any]]] = [
    (Input(columns=(Column("f", "double"),)), [3], [(1.0,), (2.0,), (3.0,)]),
    (Input(columns=tuple(Column(n, "double") for n in "abc")), [3], [(1.0, 2.0, 3.0)]),
    (Input(tensor=Tensor("float64", (-1, 1))), [3], [[1], [2], [3]]),
    (Input(tensor=Tensor("float64", (-1, 3))), [3], [[1, 2, 3]]),
    (Input(tensor=Tensor("float64", (-1,))), [3, 1], [1, 2, 3]),
    (Input(), [3], [[1], [2], [3]]),
]


@pytest.mark.parametrize(("given", "shape", "rows"), SHAPES)
def test_an_axis_of_a_single_value_or_row_may_be_left_out(
    given: Input, shape: list[int], rows: list[Any]
) -> None:
    found = read(given, tensor("x", "FP64", [1, 2, 3], shape))
    assert np.asarray(found).tolist() == np.asarray(rows).tolist()


def test_a_tensor_for_each_value_of_a_row() -> None:
    """MLServer's content type `pd`, for models without columns."""
    a, b = tensor("a", "FP64", [1, 2]), tensor("b", "INT64", [3, 4], [2, 1])
    pandas: dict[str, Any] = {"parameters": {"content_type": "pd"}}
    rows = read(Input(tensor=Tensor("float64", (-1, 2))), a, b, **pandas)
    assert rows.tolist() == [[1, 3], [2, 4]]
    assert read(Input(), a, b, **pandas) == [(1, 3), (2, 4)]
    three = Input(tensor=Tensor("float64", (-1, 3)))
    assert refused(three, a, b).code == "wrong_shape"


SEVERAL = Input(tensors=(Tensor("float32", (-1, 2), "a"), Tensor("str", (-1,), "b")))


def test_several_tensors_by_name() -> None:
    b, raw = packed("b", [b"x", b"y"])
    a = tensor("a", "FP64", [1, 2, 3, 4], [2, 2])
    rows = read(SEVERAL, b, a, raw=raw)
    assert rows["a"].dtype == np.float32
    assert rows.tolist() == [{"a": [1, 2], "b": "x"}, {"a": [3, 4], "b": "y"}]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"name": "c"}, "unknown_column", "c"),
        ({"shape": [1], "data": ["x"]}, "wrong_shape", ""),
        ({"datatype": "INT64", "data": [1, 2]}, "wrong_type", "b"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Any], code: str, field: str) -> None:
    a = tensor("a", "FP32", [1, 2, 3, 4], [2, 2])
    error = refused(SEVERAL, a, tensor("b", "BYTES", ["x", "y"]) | change)
    assert (error.code, error.field) == (code, field)
    error = refused(SEVERAL, a)
    assert (error.code, error.field) == ("missing_column", "b")


@drawn(st.data())
def test_a_bent_request_is_read_or_refused(data: st.DataObject) -> None:
    """Any other error would be a 500."""
    draw: Any = data.draw
    b, raw = packed("b", [b"x", b"\xff"])
    inputs: Any = data.draw(
        st.sampled_from(
            [
                [tensor("a", "FP32", [1, None, 3, 4], [2, 2]), b],
                [tensor("a", "FP64", [1, 2, 3, 4], [2, 2]), tensor("b", "BYTES", ["x", None])],
                [tensor("i", "INT64", [1, None]), tensor("s", "BYTES", ["x", "y"])],
            ]
        )
    )
    asked = json.loads(json.dumps({"inputs": inputs, "parameters": {"content_type": "base64"}}))
    for _ in range(data.draw(st.integers(0, 3))):
        asked = bend(draw, asked)
    schemas = [SEVERAL, NULLABLE, BINARY, Input(), Input(tensor=Tensor("int8", (-1, 2)))]
    try:
        assert len(read_body(data.draw(st.sampled_from(schemas)), asked, raw))
    except RequestError as error:
        assert error.status in (400, 422)


def test_bytes_of_an_output_stay() -> None:
    assert to_bytes(np.array([JPEG], dtype=object)) == struct.pack("<I", len(JPEG)) + JPEG


def test_half_precision_is_taken_as_binary_data_alone() -> None:
    halves = Input(tensor=Tensor("float16", (-1, 2)))
    error = refused(halves, tensor("x", "FP16", [0.5, 1.5], [1, 2]))
    assert (error.code, error.field) == ("binary_only", "x")
    raw = np.array([[0.5, 65504]], "<f2").tobytes()
    binary = {"name": "x", "datatype": "FP16", "shape": [1, 2]}
    rows = read(halves, binary | {"parameters": {"binary_data_size": 4}}, raw=raw)
    assert rows.dtype == np.float16
    assert rows.tolist() == [[0.5, 65504]]
    assert read(halves, tensor("x", "FP32", [0.5, 65504], [1, 2])).tolist() == rows.tolist()
    assert refused(halves, tensor("x", "FP32", [0.5, 1e6], [1, 2])).code == "out_of_range"


@pytest.mark.parametrize("given", [Tensor("bool", (-1, 2)), None])
def test_0_and_1_are_booleans(given: Tensor | None) -> None:
    columns = (Column("a", "boolean", nullable=True), Column("b", "boolean"))
    schema = Input(tensor=given) if given else Input(columns=columns)
    rows = read(schema, tensor("x", "BOOL", [0, True, 1, False], [2, 2]))
    told = [list(row) for row in rows]
    assert told == [[False, True], [True, False]]
    assert {type(value) for row in told for value in row} <= {bool, np.bool_}
    for wrong in (2, -1, 0.0, 1.5, "1"):
        assert refused(schema, tensor("x", "BOOL", [wrong, True], [1, 2])).code == "wrong_type"
    if given is None:
        assert list(read(schema, tensor("x", "BOOL", [None, 1], [1, 2]))[0]) == [None, True]


def test_the_example_of_the_page_for_half_precision_is_taken() -> None:
    halves = Tensor("float16", (-1, 2), "x")
    example = infer_example(None, (halves,), [[0.5, 1.5]])
    assert example is not None
    assert example["parameters"] == {"binary_data_output": True}
    assert read_body(Input(tensor=halves), example, b"").tolist() == [[0.5, 1.5]]
