"""Keras models in the .keras format, in the image variant with Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np

from servestack_contract.settings import Input, Tensor, TensorType, Trust
from servestack_contract.stock_image import variant_hint
from servestack_server.errors import StartError
from servestack_server.input.tensor_rows import TensorRows
from servestack_server.models.arrays import rows_to_array
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Outputs, Rows
from servestack_server.models.versions import warn_other_version

_BACKENDS = ("jax", "tensorflow", "torch")


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load the model on the backend that the image has.

    Rows become arrays of float32, or of the tensors' own types. Several outputs are answered by name,
    where MLflow's wrapper fails, or stacks them. Lambda layers, which are pickled
    functions, need `trust.pickle` (Keras' safe_mode).
    """
    name = artifact.root.name
    wanted = str(artifact.settings.get("keras_backend") or "")
    installed = [backend for backend in (wanted, *_BACKENDS) if backend and find_spec(backend)]
    if installed:
        os.environ.setdefault("KERAS_BACKEND", installed[0])
    try:
        import keras
    except ImportError:
        raise StartError(
            f"{name}: is a Keras model, but this image has no keras",
            variant_hint("keras"),
        ) from None
    saved_with = str(artifact.settings.get("keras_version") or "")
    warn_other_version("keras", saved_with, keras.__version__, pickled=False)
    file = _keras_file(artifact)
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=not trust.pickle)
    except Exception as error:  # Keras can raise anything
        reason = " ".join(str(error).split())[:200]
        hint = (
            "if you made this artifact, add to the spec: trust: {pickle: true}"
            if "Lambda" in reason
            else ""
        )
        raise StartError(f"{name}: Keras cannot load it: {reason}", hint) from None
    described = describe_input(model)
    if not given.is_known and described is not None:
        given = described
    tensors = given.arrays
    dtype = np.dtype(given.tensor.dtype if given.tensor is not None else np.float32)
    output_names = tuple(map(str, getattr(model, "output_names", None) or ()))

    def to_array(value: Any) -> Array:
        array: Array = np.asarray(keras.ops.convert_to_numpy(value))
        return array

    def predict(rows: Rows) -> Outputs:
        several = len(tensors) > 1
        inputs: Any = TensorRows.of(rows, tensors).arrays if several else rows_to_array(rows, dtype)
        answer = model(inputs, training=False)
        by_name = _by_name(answer, output_names)
        if by_name is None:
            return to_array(answer)
        return {name: to_array(value) for name, value in by_name.items()}

    return Loaded(predict, model, input=described)


def _by_name(answer: Any, names: Sequence[str]) -> dict[str, Any] | None:
    """Return several outputs by their names; None for a single one.

    They come in a mapping, or in a list in the order of `names`, which a subclass may not have.
    """
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    if not isinstance(answer, list | tuple):
        return None
    known = names if len(names) == len(answer) else [f"output_{at}" for at in range(len(answer))]
    return dict(zip(known, answer, strict=True))


def describe_input(model: Any) -> Input | None:
    """Return the input as the model's layers describe it; None if they do not, as a subclass."""
    found = list(getattr(model, "inputs", None) or ())
    tensors = tuple(
        Tensor(item.dtype, (-1, *(size or -1 for size in item.shape[1:])), item.name)
        for item in found
        if item.dtype in get_args(TensorType) and item.shape
    )
    if not tensors or len(tensors) < len(found):
        return None
    return Input(tensor=tensors[0]) if len(tensors) == 1 else Input(tensors=tensors)


def _keras_file(artifact: Artifact) -> Path:
    """Return the .keras file, which MLflow writes as `data/model.keras`."""
    data = artifact.model_file
    found = [data] if data.is_file() else sorted(data.rglob("*.keras"))
    if len(found) != 1 or found[0].suffix != ".keras":
        raise StartError(
            f"{artifact.root.name}: holds no model in the .keras format",
            "save it as .keras (not as a SavedModel or .h5), or convert it to ONNX",
        )
    return found[0]
