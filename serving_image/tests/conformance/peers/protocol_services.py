"""The services that the cases of MLServer, KServe and the Open Inference Protocol ask."""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.types import TensorSpec
from serving_image.tests.conformance.peers import python_models as models
from serving_image.tests.conformance.peers.services import Service, inputs, python_model


def _tensor(dtype: str, *shape: int) -> dict[str, Any]:
    """Settings of a service whose input is one tensor."""
    return {"input": {"tensor": {"dtype": dtype, "shape": list(shape)}}}


def _columns(**types: str) -> dict[str, Any]:
    """Settings of a service with these columns; a type with `?` may be null."""
    columns = [
        {"name": name, "type": kind.rstrip("?"), "nullable": kind.endswith("?")}
        for name, kind in types.items()
    ]
    return {"input": {"columns": columns}}


def _spec(dtype: str, shape: list[int], name: str) -> TensorSpec:
    return TensorSpec(np.dtype(dtype), tuple(shape), name)


_TEXTS = ("MSZoning", "LotShape", "Utilities", "Neighborhood", "SaleType")
_INTEGERS = ("LotArea", "YrSold", "OverallQual", "YearBuilt", "GarageArea")
_HOUSE = dict.fromkeys(_TEXTS, "string") | dict.fromkeys(_INTEGERS, "integer")
_ECHO = python_model(models.echo_values)

SERVICES = {
    # MLServer
    "sum-model": Service(
        {"sum-model": python_model(models.row_sums)}, _tensor("int32", -1, 3), version="v1.2.3"
    ),
    "encoded": Service({"encoded": python_model(models.encoded)}),
    "int32s": Service({"echo": _ECHO}, _tensor("int32", -1)),
    "int32-pairs": Service({"echo": _ECHO}, _tensor("int32", -1, 2)),
    "fp32s": Service({"echo": _ECHO}, _tensor("float32", -1)),
    "fp16s": Service({"echo": _ECHO}, _tensor("float16", -1)),
    "text-tensor": Service({"echo": _ECHO}, _tensor("str", -1)),
    "texts": Service({"echo": python_model(models.texts)}, _columns(foo="string")),
    "nullable-texts": Service({"echo": python_model(models.texts)}, _columns(foo="string?")),
    "bytes": Service({"echo": python_model(models.texts)}, _columns(foo="binary")),
    "datetimes": Service({"echo": python_model(models.moment_texts)}, _columns(foo="datetime")),
    "frame": Service({"echo": python_model(models.records)}, _columns(a="long", b="string")),
    "frame-of-types": Service(
        {"echo": python_model(models.records)},
        _columns(a="double?", b="float", c="integer", d="integer", e="boolean"),
    ),
    # KServe
    "kserve": Service(
        {"test-model": _ECHO, "datetime-model": python_model(models.moments)},
    ),
    "fp16-input": Service(
        {
            "fp16-input-model": python_model(
                models.texts_and_halves,
                inputs(_spec("float16", [-1, 4], "fp16_input"), _spec("str", [-1, 4], "str_input")),
            )
        }
    ),
    "fp16-output": Service(
        {
            "fp16-output-model": python_model(
                models.halves, inputs(_spec("float32", [-1, 4], "fp32_input"))
            )
        }
    ),
    "sklearn-iris": Service({"sklearn-iris": _ECHO}, _tensor("float32", -1, 4)),
    "sklearn-mixed": Service(
        {"sklearn-mixed": python_model(models.records)},
        _columns(**_HOUSE),
    ),
    # Open Inference Protocol
    "example": Service(
        {
            "mymodel": python_model(
                models.example_of_protocol,
                inputs(_spec("uint32", [-1, 2], "input0"), _spec("bool", [-1], "input1")),
            )
        }
    ),
    "anything": Service({"anything": _ECHO}),
    "named": Service(
        {"named": python_model(models.twice_and_half, inputs(_spec("float32", [-1, 2], "input0")))},
        version="2",
    ),
}
