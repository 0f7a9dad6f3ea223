"""Keras models in the .keras format, in the image variant with Keras."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from servestack_contract.settings import Input, Trust
from servestack_server.errors import StartError
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Rows, rows_to_array
from servestack_server.models.versions import warn_other_version

_BACKENDS = ("jax", "tensorflow", "torch")


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load the model on the backend that the image has.

    Rows become arrays of float32, or of the tensor's own type. Lambda layers, which are pickled
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
            "use the keras variant of the image",
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
    dtype = np.dtype(given.tensor.dtype if given.tensor is not None else np.float32)
    to_numpy = keras.ops.convert_to_numpy

    def predict(rows: Rows) -> Array:
        answer: Array = np.asarray(to_numpy(model(rows_to_array(rows, dtype), training=False)))
        return answer

    return Loaded(predict, model)


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
