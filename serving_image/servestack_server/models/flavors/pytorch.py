"""PyTorch modules, in the image variant with torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from servestack_contract.loading import is_exported
from servestack_contract.settings import Input, Trust
from servestack_contract.stock_image import variant_hint
from servestack_server.errors import StartError
from servestack_server.models.arrays import rows_to_array
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Rows
from servestack_server.models.owner_code import add_code, describe_failure
from servestack_server.models.threads import thread_count
from servestack_server.models.trusting import require_pickle
from servestack_server.models.versions import warn_other_version


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load the module. Rows become tensors of float32 for columns, or of the tensor's own type."""
    try:
        import torch
    except ImportError:
        raise StartError(
            f"{artifact.root.name}: is a PyTorch model, but this image has no torch",
            variant_hint("torch"),
        ) from None
    data = artifact.model_file
    exported = is_exported(data)
    if not exported:
        require_pickle(trust, f"{artifact.root.name}: the PyTorch module")
    warn_other_version("torch", artifact.framework_version, torch.__version__, pickled=not exported)
    torch.set_num_threads(thread_count())
    module = _load_module(artifact, trust)
    dtype = np.dtype(given.tensor.dtype if given.tensor is not None else np.float32)

    def predict(rows: Rows) -> Array:
        with torch.inference_mode():
            answer: Array = module(torch.from_numpy(rows_to_array(rows, dtype))).numpy()
        return answer

    return Loaded(predict, module)


def _load_module(artifact: Artifact, trust: Trust) -> Any:
    if trust.pickle:
        add_code(artifact.code)
    import mlflow.pytorch

    try:
        with _pickles_allowed(trust.pickle):
            return mlflow.pytorch.load_model(str(artifact.root), map_location="cpu")
    except Exception as error:  # with trust, the owner's code can raise anything
        reason = describe_failure(error, artifact.root)
        raise StartError(f"{artifact.root.name}: cannot be loaded: {reason}") from None


@contextmanager
def _pickles_allowed(allowed: bool) -> Iterator[None]:
    """Tell MLflow whether it may read pickles.

    If not, it refuses an exported program that contains pickles, which torch would run.
    """
    name = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
    before = os.environ.get(name)
    os.environ[name] = str(allowed).lower()
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
