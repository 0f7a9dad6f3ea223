"""A loaded model, and the types of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from servestack_contract.settings import Input
from servestack_server.input.tensor_rows import TensorRows

Array = NDArray[Any]
Rows = Sequence[Sequence[Any]] | Array | TensorRows
"""Tuples of Python values in the order of the columns; one array if the input is a tensor, and
TensorRows if it is several."""
Outputs = Array | dict[str, Array] | list[Any]
"""One entry per row along the first axis; a mapping if the model has several named outputs."""
Predict = Callable[[Rows], Outputs]
PredictWith = Callable[[Rows, dict[str, Any]], Outputs]
"""The same with the request's params by name."""
Form = Literal["rows", "named", "whole"]
"""What a route asks a model for: one plain value per row; all outputs by name; or the answer in the
form in which MLflow's own server gives it."""


class Whole(NamedTuple):
    """The call for the form `whole`.

    `by_row`: it returns a mapping of outputs with one entry per row, so that rows of several requests
    may go into one call. Otherwise it may return anything, and takes the rows of one request.
    `predict_with` as in `Loaded`.
    """

    predict: Callable[[Rows], Any]
    by_row: bool
    predict_with: Callable[[Rows, dict[str, Any]], Any] | None = None


class Loaded(NamedTuple):
    """The result of an adapter. `native` is the framework's own object.

    `difference` is the largest of a converted model's numbers from its framework's. Without
    `predict_with`, the model has no use for params. `input` is what the model itself says of its
    input, None if it says nothing. `named` and `whole` are the calls for these forms, where `predict`
    is not.
    """

    predict: Predict
    native: Any
    difference: float | None = None
    predict_with: PredictWith | None = None
    input: Input | None = None
    named: Predict | None = None
    whole: Whole | None = None


@dataclass(slots=True)
class Model:
    """One model in memory. Only one thread at a time may call `predict`.

    `native` is the framework's own object (estimator, Booster, InferenceSession) or the plan;
    `service` the instance of the owner's class, if the artifact brings one; the rest is as in
    `Loaded`.
    """

    name: str
    version: str
    digest: str
    flavor: str
    runtime: Literal["onnx", "compiled", "native"]
    predict: Predict
    native: Any
    service: object | None = None
    difference: float | None = None
    predict_with: PredictWith | None = None
    input: Input | None = None
    named: Predict | None = None
    whole: Whole | None = None
