"""Columns that hold other values, as tensors of the Open Inference Protocol."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from servestack_contract.settings import Column, Element, Input, ModelPlace, ServerSettings
from servestack_server.api.inference import InferEndpoint
from servestack_server.errors import RequestError
from servestack_server.input.schema import compile_schema


@pytest.mark.parametrize(
    ("tensors", "rows"),
    [
        ([{"name": "a", "shape": [2, 2], "datatype": "FP64", "data": [1.5, 2, 3, 4]}], [([1.5, 2.0],), ([3.0, 4.0],)]),
        ([{"name": "a", "shape": [2], "datatype": "BYTES", "data": ["[1.5]", "[]"]}], [([1.5],), ([],)]),
        ([{"name": "any", "shape": [1, 2], "datatype": "FP64", "data": [1.5, 2]}], [([1.5, 2.0],)]),
    ],
)  # fmt: skip
def test_tensors_of_an_array_column(tensors: Any, rows: Any) -> None:
    schema = compile_schema(Input(columns=(Column("a", "array", items=Element("double")),)))
    assert tensor_rows(schema, tensors) == rows


def test_a_tensor_of_plain_values() -> None:
    schema = compile_schema(Input(columns=(Column("", "string"),)))
    for shape in ([2], [2, 1]):
        given = [{"name": "x", "shape": shape, "datatype": "BYTES", "data": ["a", "b"]}]
        assert tensor_rows(schema, given) == [("a",), ("b",)]


def test_a_text_that_is_not_json_is_refused() -> None:
    schema = compile_schema(Input(columns=(Column("a", "object"), Column("b", "long"))))
    given = [{"name": "a", "shape": [1], "datatype": "BYTES", "data": ["{"]}]
    with pytest.raises(RequestError) as refused:
        tensor_rows(schema, given)
    assert (refused.value.code, refused.value.field) == ("wrong_type", "a")


def tensor_rows(schema: Any, tensors: Any) -> Any:
    """What the route of the Open Inference Protocol reads."""
    service: Any = SimpleNamespace(schema=schema, settings=SETTINGS, params=None, unit_key=None)
    endpoint = InferEndpoint(service, None, "")  # type: ignore[arg-type]
    request: Any = SimpleNamespace(body=json.dumps({"inputs": tensors}).encode(), headers={})
    return endpoint.read(request)


SETTINGS = ServerSettings(name="m", models=(ModelPlace("m", "m"),))
