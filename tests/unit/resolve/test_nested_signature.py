"""A model's input and params are read from MLflow's signature, as MLflow writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow.types.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    SparkMLVector,
)

from servestack.resolve.signature import input_of, params_of


def read(*columns: ColSpec) -> Any:
    """The columns of a signature as a spec would write them; None if it cannot be checked."""
    written = json.loads(Schema(list(columns)).to_json())
    given = input_of({"inputs": written})
    return given.model_dump(mode="json", by_alias=True, exclude_defaults=True).get("columns")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (ColSpec("double", "a"), {"name": "a", "type": "double"}),
        (ColSpec("string"), {"type": "string"}),
        (
            ColSpec(Array("long"), "a", required=False),
            {"name": "a", "type": "array", "items": {"type": "long"}, "required": False},
        ),
        (
            ColSpec(Map(Array("double")), "a"),
            {"name": "a", "type": "map", "values": {"type": "array", "items": {"type": "double"}}},
        ),
        (
            ColSpec(Object([Property("p", "string"), Property("q", AnyType(), False)])),
            {
                "type": "object",
                "properties": [
                    {"name": "p", "type": "string"},
                    {"name": "q", "type": "any", "nullable": True, "required": False},
                ],
            },
        ),
        (
            ColSpec(Array(AnyType()), "a"),
            {"name": "a", "type": "array", "items": {"type": "any", "nullable": True}, "nullable": True},
        ),
    ],
)  # fmt: skip
def test_a_column(column: ColSpec, expected: Any) -> None:
    assert read(column) == [expected]


def test_several_columns_without_names_are_counted() -> None:
    assert [column["name"] for column in read(ColSpec("double"), ColSpec("double"))] == ["0", "1"]


@pytest.mark.parametrize(
    "signature",
    [
        None,
        {},
        {"inputs": []},
        {"inputs": [{"type": "array"}]},
        {"inputs": [{"type": "array", "items": {"type": "unheard"}}]},
        {"inputs": [{"type": "map", "values": 3}]},
        {"inputs": [{"type": "object", "properties": {"p": None}}]},
        {"inputs": json.loads(Schema([ColSpec(SparkMLVector(), "v")]).to_json())},
    ],
)
def test_what_cannot_be_checked_is_no_input(signature: Any) -> None:
    assert input_of(signature).columns is None


def test_params() -> None:
    params = ParamSchema(
        [
            ParamSpec("k", DataType.integer, 3),
            ParamSpec("stop", DataType.string, ["x"], (-1,)),
            ParamSpec("o", Object([Property("a", "string")]), {"a": "z"}),
        ]
    )
    written = [*params.to_dict(), {"name": "other", "type": "unheard", "default": 1}]
    read = params_of({"params": json.loads(json.dumps(written))})
    assert [param.model_dump(by_alias=True, exclude_defaults=True) for param in read] == [
        {"name": "k", "type": "integer", "default": 3, "nullable": True},
        {
            "name": "stop", "type": "array", "items": {"type": "string", "nullable": True},
            "default": ["x"],
        },
        {
            "name": "o", "type": "object", "properties": ({"name": "a", "type": "string"},),
            "default": {"a": "z"},
        },
    ]  # fmt: skip
    assert params_of(None) == ()
