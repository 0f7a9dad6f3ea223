"""Bodies drawn at random for columns that hold other values: read, or refused with their place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servestack_contract.example_tensors import FORMS
from servestack_contract.settings import Column, Element, Input, Param
from servestack_server.errors import RequestError, StartError
from servestack_server.input.bodies import read_rows
from servestack_server.input.params import ParamsSchema
from servestack_server.input.schema import compile_schema

MESSAGE = Element(
    "object",
    properties=(
        Column("role", "string", enum=("user", "system")),
        Column("when", "datetime", required=False),
        Column("size", "double", required=False, enum=(0.5, 1.5)),
    ),
)
INPUTS = [
    (Column("m", "array", items=MESSAGE), Column("t", "double", required=False)),
    (Column("m", "array", items=MESSAGE),),
    (Column("x", "array", items=Element("array", items=Element("long", maximum=3))),),
    (Column("x", "map", values=Element("binary")), Column("y", "any")),
    (Column("", "object", properties=(Column("m", "array", items=MESSAGE),)),),
    (Column("", "array", items=Element("string")),),
    (Column("", "double", minimum=0),),
    (Column("", "any"),),
    (Column("t", "string", nullable=True),),
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([0.5, 1.0, 2**31, 2**63, 2**70, -1.5]),
    st.sampled_from(["user", "a", "2026-01-01", "AQID", "\0", "%"]),
)  # fmt: skip
KEYS = st.sampled_from(["m", "t", "x", "y", "role", "when", "size", "params", "messages", *FORMS])
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@given(body=BODIES)
@settings(max_examples=300)
def test_a_body_is_read_or_refused(body: Any) -> None:
    for columns in INPUTS:
        schema = compile_schema(Input(columns=columns))
        try:
            rows = read_rows(json.dumps(body).encode(), schema)
        except RequestError as error:
            assert error.status in (400, 422)
            continue
        assert all(len(row) == len(columns) for row in rows)
        assert rows == schema.convert([list(row) for row in _as_text(rows)])


def _as_text(rows: Any) -> Any:
    """Rows as a body can bring them: no column here has bytes or dates at its top."""
    return json.loads(json.dumps(rows))


@given(given=BODIES)
@settings(max_examples=200)
def test_params_are_read_or_refused(given: Any) -> None:
    schema = ParamsSchema(
        (
            Param("t", "double", 0.5, minimum=0),
            Param("m", "array", [], items=Element("string", nullable=True)),
            Param("x", "object", {"y": 1}, properties=(Column("y", "long"),)),
        )
    )
    for body in (given, {"inputs": 1, "params": given}, {"messages": 1, "t": given}):
        try:
            params = schema.taken_from(json.loads(json.dumps(body)))
        except RequestError as error:
            assert error.status == 422
            assert error.field.startswith("params")
            continue
        assert list(params.values) == ["t", "m", "x"]


@pytest.mark.parametrize(
    "column",
    [
        Column("a", "object", properties=(Column("p", "string", enum=(1,)),)),
        Column("a", "map", values=Element("array", items=Element("boolean", enum=("x",)))),
        Column("a", "array", enum=("x",)),
    ],
)
def test_a_description_that_contradicts_itself_stops_the_start(column: Column) -> None:
    with pytest.raises(StartError, match="column 'a"):
        compile_schema(Input(columns=(column,)))


@pytest.mark.parametrize("kind", ["any", "array"])
def test_a_value_that_is_not_described_has_at_most_a_hundred_levels(kind: Any) -> None:
    schema = compile_schema(Input(columns=(Column("a", kind), Column("b", "long"))))
    deep: list[Any] = []
    for _ in range(98):
        deep = [deep]
    assert read_rows(json.dumps([[deep, 1]]).encode(), schema) == [(deep, 1)]
    with pytest.raises(RequestError) as refused:
        read_rows(json.dumps([[[[deep]], 1]]).encode(), schema)
    assert (refused.value.code, refused.value.field) == ("invalid_value", "a")
