"""The outputs of an ONNX graph: which of them each form of an answer has, and in which shape.

The form `rows` has a classifier's label, or what the owner names in `api.outputs`. The forms
`named` and `whole` have all outputs by name, as mlflow.onnx answers (MLflow 3.17).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servestack_server.errors import StartError
from servestack_server.models.model import Array, Loaded, Outputs, Predict, Rows, Whole

Run = Callable[[Rows], list[Any]]
"""A function from rows to the values of some outputs, in their order."""


def load_outputs(
    session: Any,
    runner: Callable[[list[str], bool], Run],
    *,
    wanted: Sequence[str],
    flat: bool,
    fixed_batch: int | None,
) -> Loaded:
    """Return the calls of a graph for each form.

    `runner` returns the function that runs the outputs of these names, with one entry for each row if
    it is told so and can. `wanted` are those of the form
    `rows`; `flat` makes one value per row of their shape (rows, 1). `fixed_batch` is the graph's
    number of rows, None for any.
    """
    kinds = {output.name: output for output in session.get_outputs()}
    names = list(kinds)
    return Loaded(
        _predictor(runner(list(wanted), True), [kinds[name] for name in wanted], flat),
        session,
        named=_by_name(runner(names, True), [_shaper(kinds[name], False) for name in names], names),
        whole=Whole(
            _by_name(runner(names, False), [None] * len(names), names),
            by_row=all(is_by_row(kind, fixed_batch) for kind in kinds.values()),
        ),
    )


def wanted_outputs(
    session: Any, predict_fn: str, named: tuple[str, ...] | None, model: str
) -> list[str]:
    """Return the outputs `named` by the owner, else a classifier's label, or its scores as
    `predict_fn` says, and all outputs of any other graph.

    Raises StartError for a name that the graph, which is that of `model`, does not have.
    """
    outputs = session.get_outputs()
    names: list[str] = [output.name for output in outputs]
    if named:
        if unknown := [name for name in named if name not in names]:
            raise StartError(
                f"{model}: has no output {unknown[0]!r}; its outputs are {', '.join(names)}",
                "name these in api.outputs",
            )
        return list(named)
    is_classifier = (
        len(outputs) == 2
        and outputs[0].type in ("tensor(int64)", "tensor(string)")
        and (outputs[1].type.startswith("seq(map") or "prob" in names[1].lower())
    )
    if not is_classifier:
        return names
    return names[1:] if predict_fn in ("predict_proba", "predict_log_proba") else names[:1]


def _predictor(run: Run, kinds: list[Any], flat: bool) -> Predict:
    shapers = [_shaper(kind, flat) for kind in kinds]
    if len(kinds) > 1:
        return _by_name(run, shapers, [kind.name for kind in kinds])
    shape = shapers[0]
    if shape is None:
        return lambda rows: run(rows)[0]
    return lambda rows: shape(run(rows)[0])


def _by_name(
    run: Run, shapers: Sequence[Callable[[Any], Array] | None], names: Sequence[str]
) -> Predict:
    def predict(rows: Rows) -> Outputs:
        return {
            name: value if shape is None else shape(value)
            for name, value, shape in zip(names, run(rows), shapers, strict=True)
        }

    return predict


def _shaper(output: Any, flat: bool) -> Callable[[Any], Array] | None:
    """Return how to reshape an output as MLflow does, or None if it stays as it is.

    A list of mappings becomes an array (rows, classes), and one value per row an array (rows,).
    """
    if output.type.startswith("seq(map"):
        dtype = np.float32 if output.type.endswith("tensor(float)))") else np.float64
        return lambda value: np.array([list(row.values()) for row in value], dtype=dtype)
    if flat and len(output.shape or ()) == 2 and output.shape[1] == 1:
        return lambda value: value.reshape(-1)
    return None


def is_by_row(output: Any, fixed_batch: int | None) -> bool:
    """Whether the graph says that an output has one entry for each row."""
    if output.type.startswith("seq(map"):
        return True
    first = output.shape[0] if output.type.startswith("tensor") and output.shape else 0
    return not isinstance(first, int) or first == fixed_batch
