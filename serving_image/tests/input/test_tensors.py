"""A tensor of another dtype than the model's: the same values, or refused. Outputs as tensors."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from servestack_contract.settings import Tensor
from servestack_server.api.tensors import (
    datatype_of,
    from_bytes,
    from_json,
    named_arrays,
    to_bytes,
)
from servestack_server.errors import RequestError
from servestack_server.input.tensor_schema import TensorSchema


def schema(dtype: Any) -> TensorSchema:
    return TensorSchema(Tensor(dtype=dtype, shape=(-1,)))


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("int32", np.array([1.0, 2.0], "float32"), [1, 2]),
        ("int32", np.array([-(2**31), 2**31 - 1]), [-(2**31), 2**31 - 1]),
        ("int64", np.array([2**63 - 1], "uint64"), [2**63 - 1]),
        ("uint8", np.array([255.0]), [255]),
        ("float32", np.array([2**24, -3]), [16777216.0, -3.0]),
        ("float32", np.array([0.1]), [np.float32(0.1)]),  # rounded, as any decimal
        ("float32", np.array([np.inf, -np.inf]), [np.inf, -np.inf]),
        ("float64", np.array([3.4e38], "float32"), [np.float32(3.4e38)]),
        ("str", np.array(["a"], object), ["a"]),
    ],
)
def test_values_stay(dtype: str, given: np.ndarray[Any, Any], expected: list[Any]) -> None:
    array = schema(dtype).from_array(given)
    assert array.dtype == np.dtype(object if dtype == "str" else dtype)
    assert array.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "given", "code"),
    [
        ("int32", np.array([2**40, 2]), "out_of_range"),
        ("int32", np.array([1.9, 2.0], "float32"), "wrong_type"),
        ("int32", np.array([np.nan]), "wrong_type"),
        ("int64", np.array([2.0**63]), "out_of_range"),
        ("int64", np.array([2**64 - 1], "uint64"), "out_of_range"),
        ("uint8", np.array([-1]), "out_of_range"),
        ("float32", np.array([1e39]), "out_of_range"),
        ("float16", np.array([70_000]), "out_of_range"),
        ("float32", np.array([True]), "wrong_type"),
        ("bool", np.array([1]), "wrong_type"),
        ("str", np.array([1]), "wrong_type"),
        ("int64", np.array(["1"], object), "wrong_type"),
    ],
)
def test_another_value_is_refused(dtype: str, given: np.ndarray[Any, Any], code: str) -> None:
    with pytest.raises(RequestError) as refused:
        schema(dtype).from_array(given)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("FP32", 1e39), ("FP16", 1e5), ("UINT8", 300), ("UINT64", -1), ("INT64", 2**70)],
)
def test_json_beyond_its_own_datatype_is_refused(datatype: str, value: float) -> None:
    with pytest.raises(RequestError) as refused:
        from_json([value], datatype, [1], "x")
    assert (refused.value.code, refused.value.field) == ("out_of_range", "x")


@pytest.mark.parametrize("raw", [True, False])
def test_rows_without_values_are_refused_before_they_are_made(raw: bool) -> None:
    """A hundred bytes would make the server hold 2**31 empty lists."""
    shape = [2**31, 0]
    with pytest.raises(RequestError) as caught:
        from_bytes(b"", "FP32", shape, "x") if raw else from_json([], "FP32", shape, "x")
    assert (caught.value.code, caught.value.field) == ("wrong_shape", "x")
    assert len(from_json([], "FP32", [0, 4], "x")) == 0


def test_elements_of_outputs_are_texts_or_null() -> None:
    now = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
    given = [None, "a", b"fun", now, [1, 2], {"a": 1}, np.int64(5)]
    told = [None, "a", b"fun", "2026-01-31T12:00:00Z", "[1,2]", '{"a":1}', "5"]
    as_array = np.empty(len(given), dtype=object)
    as_array[:] = given
    for outputs in (given, as_array):
        (array,) = named_arrays(outputs).values()
        assert (datatype_of(array), array.tolist()) == ("BYTES", told)
    assert to_bytes(np.array([None, "b"], dtype=object)) == b"\0\0\0\0\1\0\0\0b"
    dates = np.array(["2026-01-31T12:00:00.5"], dtype="datetime64[ns]")
    assert named_arrays({"d": dates})["d"].tolist() == ["2026-01-31T12:00:00.500000000"]
