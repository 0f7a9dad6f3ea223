"""Makes the first calls of each model before the server is ready, on the example or a made-up row."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from time import perf_counter
from typing import Any

import numpy as np

from servestack_contract.settings import Column, Tensor
from servestack_server.errors import RequestError, StartError, first_line
from servestack_server.input.bodies import normalised
from servestack_server.input.schema import Schema
from servestack_server.input.tensor_rows import TensorRows, concatenated
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema
from servestack_server.models.model import Form
from servestack_server.prediction.batcher import Batcher, Job
from servestack_server.prediction.call_time import CallTime
from servestack_server.prediction.target import ModelTarget

_CALLS = 5
_MAX_BYTES = 16 << 20
_NUMBERS = ("float", "double", "integer", "long")


def warm_up(
    targets: Iterable[ModelTarget], entries: Collection[str], schema: Schema, example: Any
) -> list[str]:
    """Predict the example with every model, and measure how long a call takes.

    `entries` names the models that take the service's input; others are not warmed up. Returns one
    line for the log per model. Raises StartError if the example does not fit the input or a model
    fails on it. A failure on a made-up row is only reported.
    """
    rows = _example_rows(schema, example)
    is_made_up = rows is None
    if rows is None:
        rows = _made_up_rows(schema)
    said = []
    for target in targets:
        if target.name not in entries:
            said.append(f"{target.name}: not warmed up, because it takes another model's answers")
            continue
        if rows is None:
            said.append(
                f"{target.name}: not warmed up, because there is no example; set api.input.example"
            )
            continue
        before = perf_counter()
        try:
            said.append(_warm_up_model(target, rows))
        except Exception as error:
            if not is_made_up:
                raise StartError(
                    f"{target.name}: the model fails on the example: {first_line(error)}",
                    "check that api.input matches the data that the model was trained on",
                ) from error
            said.append(f"{target.name}: not warmed up: {error}")
        target.batcher.metrics.load_seconds += perf_counter() - before
    return said


def _example_rows(schema: Schema, example: Any) -> Any:
    """Return the example's rows, checked; None without an example."""
    if example is None:
        return None
    try:
        return schema.convert(normalised(example, schema))
    except RequestError as error:
        raise StartError(f"the example does not fit the input: {error.message}") from None


def _made_up_rows(schema: Schema) -> Any:
    """Return one row within the columns' ranges, or of zeros for tensors.

    None if a value is not a number, or the length of an axis is not known.
    """
    if isinstance(schema, TensorSchema):
        return _zeros(schema.tensor)
    if isinstance(schema, TensorsSchema):
        arrays = {name: _zeros(part.tensor) for name, part in schema.parts.items()}
        return None if any(array is None for array in arrays.values()) else TensorRows(arrays)
    columns: tuple[Column, ...] = schema.columns or ()
    if not columns or any(column.type not in _NUMBERS for column in columns):
        return None
    try:
        return schema.convert([[_within(column) for column in columns]])
    except RequestError:
        return None


def _zeros(tensor: Tensor) -> Any:
    inner = tensor.shape[1:]
    return None if -1 in inner or tensor.dtype == "str" else np.zeros((1, *inner), tensor.dtype)


def _within(column: Column) -> Any:
    return column.enum[0] if column.enum else column.minimum or column.maximum or 0


def _warm_up_model(target: ModelTarget, rows: Any) -> str:
    batcher = target.batcher
    form, said = _form(target, rows), ""
    if form == "whole":
        said = "; it does not answer row by row, so only /invocations takes its answers"
    for call in range(_CALLS):
        job = Job(rows, float("inf"), _ignore, form=form)
        batcher.predict_now(job)
        if call == 0:
            target.example_outputs = job.outputs if form == "rows" else None
            batcher.call_time = CallTime()  # The first call is slower than later ones.
    if batcher.model.named is not None:
        job = Job(rows, float("inf"), _ignore, form="named")
        batcher.predict_now(job)
        target.example_named = job.outputs
    if not batcher.has_owner and form == "rows":
        # A full batch measures the per-row cost.
        batcher.predict_now(Job(_repeated(rows, _full_batch(rows, batcher)), float("inf"), _ignore))
    seconds = batcher.call_time.expected(1)
    return f"{target.name}: one row takes {seconds * 1000:.3g} ms{said}"


def _form(target: ModelTarget, rows: Any) -> Form:
    """Return the form in which the model answers: code of the owner's need not do so by row."""
    whole = target.batcher.model.whole
    if whole is None or whole.by_row:
        return "rows"
    try:
        # One answer for everything has the right length for one row.
        for some in (rows, _repeated(rows, len(rows) + 1)):
            target.batcher.predict_now(Job(some, float("inf"), _ignore))
    except RequestError as error:
        if error.code == "not_by_row":
            return "whole"
        raise
    return "rows"


def _ignore(job: Job) -> None:
    """Do nothing: warm-up reads the job itself."""


def _full_batch(rows: Any, batcher: Batcher) -> int:
    """Return the rows of a full batch, or as many as _MAX_BYTES hold: rows may be images."""
    size = getattr(rows, "nbytes", 0) // len(rows)
    return min(batcher.max_rows, max(1, _MAX_BYTES // size)) if size else batcher.max_rows


def _repeated(rows: Any, count: int) -> Any:
    times = -(-count // len(rows))
    return concatenated([rows] * times)[:count]
