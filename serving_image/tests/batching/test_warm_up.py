"""The first calls of a model: on rows of zeros where there is no example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servestack_contract.settings import Input, Tensor
from servestack_server.input.schema import compile_schema
from servestack_server.input.tensor_rows import TensorRows
from servestack_server.metrics import ModelMetrics
from servestack_server.models.model import Model
from servestack_server.prediction.batcher import Batcher
from servestack_server.prediction.target import ModelTarget
from servestack_server.prediction.warm_up import warm_up


class Seen:
    """A model that remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def predict(self, rows: Any) -> Any:
        self.rows.append(rows)
        return np.zeros(len(rows))


def said(seen: Seen, given: Input, example: Any = None) -> str:
    model = Model("m", "1", "", "onnx", "onnx", seen.predict, None)
    batcher = Batcher(
        model, ModelMetrics("m", "1", ""), max_rows=64, max_wait_seconds=0, max_queue=1,
        receiving=int,
    )  # fmt: skip
    (line,) = warm_up([ModelTarget(batcher)], ["m"], compile_schema(given), example)
    return line


def test_tensors_of_a_known_shape_need_no_example() -> None:
    seen = Seen()
    several = (Tensor("uint8", (-1, 2, 2), "a"), Tensor("float32", (-1,), "b"))
    assert "one row takes" in said(seen, Input(tensors=several))
    first, last = seen.rows[0], seen.rows[-1]
    assert isinstance(first, TensorRows)
    assert (first["a"].shape, first["a"].dtype) == ((1, 2, 2), np.uint8)
    assert (len(last), last["a"].shape) == (64, (64, 2, 2))


@pytest.mark.parametrize("tensor", [Tensor("float32", (-1, -1)), Tensor("str", (-1, 2))])
def test_other_tensors_need_one(tensor: Tensor) -> None:
    seen = Seen()
    assert "set api.input.example" in said(seen, Input(tensor=tensor))
    assert not seen.rows


def test_a_full_batch_of_large_rows_stays_small() -> None:
    seen = Seen()
    said(seen, Input(tensor=Tensor("float32", (-1, 3, 1000, 1000))))
    assert len(seen.rows[-1]) == 1
