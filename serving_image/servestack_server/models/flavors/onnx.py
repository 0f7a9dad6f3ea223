"""ONNX models, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servestack_contract.settings import Input, Tensor, Trust
from servestack_server.errors import StartError, first_line
from servestack_server.input.tensor_rows import TensorRows, concatenated
from servestack_server.models.columns import feature_positions
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Rows
from servestack_server.models.onnx_outputs import is_by_row, load_outputs, wanted_outputs
from servestack_server.models.threads import thread_count

_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def load(
    artifact: Artifact, given: Input, trust: Trust, outputs: tuple[str, ...] | None = None
) -> Loaded:
    """Load an ONNX model. `outputs` are those that the owner names for the form `rows`.

    With `predict_fn` predict_proba that form has a classifier's scores.
    """
    del trust  # nothing in an ONNX file is run as Python
    name = artifact.root.name
    session = open_session(artifact.model_file)
    described = describe_input(session)
    if not given.is_known and described is not None:
        given = described
    feed = build_feed(session, given, name)
    loaded = load_outputs(
        session,
        lambda names, by_row: run_outputs(session, feed, names, by_row=by_row),
        wanted=wanted_outputs(session, artifact.predict_fn, outputs, name),
        flat=given.columns is not None,
        fixed_batch=_fixed_batch(session),
    )
    return loaded._replace(input=described)


def open_session(model: Path | bytes, *, threads: int | None = None) -> Any:
    """Open an InferenceSession on the CPU, with `threads` threads (default: `thread_count`).

    `model` is a path or the model's bytes. Raises StartError if ONNX Runtime cannot load it.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(
        3
    )  # only errors: its warnings about GPUs and topology files do not matter here
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads or thread_count()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's exceptions have no common base class
        what = "the model" if isinstance(model, bytes) else str(model)
        raise StartError(
            f"{what}: ONNX Runtime {onnxruntime.__version__} cannot load it: {first_line(error)}"
        ) from None


def build_feed(session: Any, given: Input, model: str) -> Callable[[Rows], dict[str, Array]]:
    """Return the function from rows to the session's inputs: one array, or one by column or tensor.

    Raises StartError if the inputs have types that are not served, or do not fit what is given.
    """
    inputs = session.get_inputs()
    for item in inputs:
        if item.type not in _DTYPES:
            raise StartError(f"{model}: input {item.name!r} is {item.type}, which is not served")
    if len(given.arrays) > 1:
        return _feed_of_tensors(inputs, given.arrays, model)
    if len(inputs) == 1:
        name, dtype = inputs[0].name, _DTYPES[inputs[0].type]
        return lambda rows: {name: _as_array(rows, dtype)}
    names = [item.name for item in inputs]
    if given.columns is None:
        if single := [item.name for item in inputs if not item.shape]:
            raise StartError(
                f"{model}: input {single[0]!r} has no axis for rows: it is one value for all rows of a "
                "call, so requests could not be predicted together",
                "make it a constant of the graph, or log a pyfunc that takes it as a param and runs the graph",
            )
        raise StartError(
            f"{model}: has {len(names)} inputs ({', '.join(names[:5])}), but the spec does not name them",
            "set api.input.tensors, or api.input.columns with one column for each input",
        )
    positions = feature_positions(given.columns, names, model) or range(len(names))
    plan = [
        (item.name, position, _DTYPES[item.type], _column_shape(item))
        for item, position in zip(inputs, positions, strict=True)
    ]

    def feed(rows: Rows) -> dict[str, Array]:
        columns = list(zip(*rows, strict=True))
        return {
            name: _as_array(columns[position], dtype).reshape(shape)
            for name, position, dtype, shape in plan
        }

    return feed


def _feed_of_tensors(
    inputs: Sequence[Any], tensors: Sequence[Tensor], model: str
) -> Callable[[Rows], dict[str, Array]]:
    dtypes = {item.name: _DTYPES[item.type] for item in inputs}
    names = {tensor.name for tensor in tensors}
    if names != dtypes.keys():
        raise StartError(
            f"{model}: takes the inputs {', '.join(dtypes)}, but api.input.tensors has "
            f"{', '.join(map(str, names))}",
            "name the tensors as the model does",
        )

    def feed(rows: Rows) -> dict[str, Array]:
        given = TensorRows.of(rows, tensors)
        return {name: _as_array(given[name], dtype) for name, dtype in dtypes.items()}

    return feed


def describe_input(session: Any) -> Input | None:
    """Return the input as the graph describes it; None if it has an input without rows.

    The first axis of each input is the batch, also where its length is fixed.
    """
    tensors = []
    for item in session.get_inputs():
        dtype = _DTYPES.get(item.type)
        if dtype is None or not item.shape:
            return None
        kind: Any = "str" if dtype is np.object_ else np.dtype(dtype).name
        inner = (size if isinstance(size, int) and size > 0 else -1 for size in item.shape[1:])
        tensors.append(Tensor(kind, (-1, *inner), item.name))
    if len(tensors) == 1:
        return Input(tensor=tensors[0])
    return Input(tensors=tuple(tensors))


def _as_array(values: Any, dtype: Any) -> Array:
    """Raises ValueError for a number that the graph's own type cannot hold."""
    try:
        with np.errstate(over="raise"):
            array = np.asarray(values, dtype=dtype)
    except FloatingPointError:
        raise ValueError(f"a value is too large for the model's {np.dtype(dtype)}") from None
    if array.dtype.kind in "iub" and getattr(values, "dtype", array.dtype) != array.dtype:
        _check_equal(values, array)
    return array


def _check_equal(values: Array, array: Array) -> None:
    """Raise ValueError if a cast to integers or truths has changed a number."""
    if not np.array_equal(values, array):
        raise ValueError(f"a value does not fit the model's {array.dtype}")


def run_outputs(
    session: Any,
    feed: Callable[[Rows], dict[str, Array]],
    outputs: Sequence[str],
    *,
    by_row: bool = True,
) -> Callable[[Rows], list[Any]]:
    """Return the function from rows to the session's outputs. Lookups are done only once.

    A graph of a fixed number of rows is run as often as it takes, and the last rows are filled up. One
    that takes a single row and answers without an axis for it gets that axis with `by_row`. One that
    takes several and has an answer for all of them together is only run with just as many: its first
    axis is no batch.
    """
    run, names, size = session.run, list(outputs), _fixed_batch(session)
    if size is None:
        return lambda rows: run(names, feed(rows))
    kinds = {output.name: output for output in session.get_outputs()}
    if size > 1 and not all(is_by_row(kinds[name], size) for name in names):
        return _run_whole(run, names, feed, size)

    def run_in_parts(rows: Rows) -> list[Any]:
        parts = []
        several = by_row or len(rows) > size
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            missing = size - len(part)
            padded = _padded(part, missing) if missing else part
            values = run(names, feed(padded))
            parts.append([_of_rows(value, len(part), size, several=several) for value in values])
        return [_joined(values) for values in zip(*parts, strict=True)]

    return run_in_parts


def _run_whole(
    run: Any, names: list[str], feed: Callable[[Rows], dict[str, Array]], size: int
) -> Callable[[Rows], list[Any]]:
    def run_once(rows: Rows) -> list[Any]:
        if len(rows) != size:
            raise ValueError(
                f"the graph takes exactly {size} entries in the first axis, for which it has one "
                f"answer together; got {len(rows)}"
            )
        values: list[Any] = run(names, feed(rows))
        return values

    return run_once


def _of_rows(value: Any, count: int, size: int, *, several: bool) -> Any:
    """Return what a call of `size` rows, of which `count` were asked for, says of these."""
    if np.shape(value)[:1] == (size,):
        return value[:count]
    # What has another length is not by row, and found out when the answer is divided.
    return np.asarray(value)[None] if several and size == 1 and _is_tensor(value) else value


def _is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _fixed_batch(session: Any) -> int | None:
    """Return the number of rows that the graph takes in each call; None if it takes any number."""
    sizes = {item.shape[0] if item.shape else None for item in session.get_inputs()}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    return size if isinstance(size, int) else None


def _padded(part: Rows, missing: int) -> Rows:
    """Repeat the last row: its answer is there in any case, so no new one can fail."""
    rows: Rows = concatenated([part, *[part[-1:]] * missing])
    return rows


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], list):
        return [item for part in parts for item in part]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _column_shape(item: Any) -> tuple[int, ...]:
    return (-1, 1) if len(item.shape or ()) == 2 else (-1,)
