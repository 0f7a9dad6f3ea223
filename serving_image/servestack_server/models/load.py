"""Loads a model from a verified artifact."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from servestack_contract.mlmodel import FLAVORS
from servestack_contract.settings import Column, Input, Param, Runtime, Tensor, Trust
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.models.baked import NotBakedError, baked_folder, load_baked
from servestack_server.models.mlmodel import Artifact, read_artifact
from servestack_server.models.model import Loaded, Model, Outputs, Rows
from servestack_server.models.owner import load_service

_ADAPTERS = {flavor.name: flavor.adapter or flavor.name for flavor in FLAVORS} | {
    "pyfunc": "pyfunc"
}
_OF_SEVERAL_TENSORS = ("onnx", "keras", "tensorflow", "pyfunc")
"""Flavors whose models MLflow calls with a mapping of arrays."""
_USE_PARAMS = ("xgboost", "pytorch")
"""Flavors whose wrappers in MLflow hand params to the framework. All others ignore them."""


def load_model(
    folder: Path,
    *,
    name: str,
    version: str,
    digest: str,
    columns: tuple[Column, ...] | None,
    tensor: Tensor | None,
    runtime: Runtime,
    trust: Trust,
    params: tuple[Param, ...] | None = None,
    tensors: tuple[Tensor, ...] | None = None,
) -> Model:
    """Load the model at `folder`, an MLflow folder or a bare model file.

    `runtime` native never uses a conversion, onnx requires that to ONNX, and auto uses a plan if
    there is one. `params` are those of the service. Raises StartError for every failure.
    """
    artifact = read_artifact(folder)
    given = Input(columns=columns, tensor=tensor, tensors=tensors)
    needs_mlflow = _needs_mlflow(artifact, params)
    if needs_mlflow and runtime == "onnx":
        raise StartError(
            f"{name}: runtime is onnx, but only the framework itself takes the signature's params",
            "set api.params: [] to do without them, or runtime: native",
        )
    is_native = artifact.flavor == "onnx" or needs_mlflow
    loaded = None if is_native else _load_baked(folder, digest, given, runtime, name)
    kind: Literal["onnx", "compiled", "native"] = "native"
    if loaded is not None:
        kind = "onnx" if runtime == "onnx" else "compiled"
    elif artifact.flavor == "onnx":
        kind = "onnx"
    if loaded is None:
        loaded = load_native(artifact, given, trust, params)
    model = Model(
        name, version, digest, artifact.flavor, kind, loaded.predict, loaded.native,
        difference=loaded.difference, predict_with=loaded.predict_with, input=loaded.input,
    )  # fmt: skip
    return _with_service(model, load_service(artifact, trust))


def _needs_mlflow(artifact: Artifact, params: tuple[Param, ...] | None) -> bool:
    """Whether only MLflow's own wrapper does what the params ask for."""
    return bool(params) and artifact.flavor in _USE_PARAMS and bool(artifact.pyfunc)


def _load_baked(folder: Path, digest: str, given: Input, runtime: str, name: str) -> Loaded | None:
    if runtime == "native":
        return None
    if not digest and baked_folder(folder).exists():
        digest = digest_of(folder)
    try:
        return load_baked(folder, digest, given, "onnx" if runtime == "onnx" else "plan")
    except NotBakedError as reason:
        if runtime == "onnx":
            raise StartError(
                f"{name}: runtime is onnx, but there is no converted model to use: {reason}",
                "bake the model with an example, or set runtime: auto",
            ) from None
        return None


def _with_service(model: Model, service: object | None) -> Model:
    """Add the owner's object. Its `predict` replaces the model's own, and gets the model."""
    if service is None:
        return model
    predict = getattr(service, "predict", None)
    if predict is None:
        return replace(model, service=service)
    predict_with = model.predict_with
    if predict_with is None:
        return replace(model, service=service, predict=lambda rows: predict(rows, model))

    def predict_in_code(rows: Rows, params: dict[str, Any]) -> Outputs:
        bound = replace(model, predict=lambda inputs: predict_with(inputs, params))
        return predict(rows, bound)  # type: ignore[no-any-return]

    return replace(
        model, service=service, predict=lambda rows: predict(rows, model),
        predict_with=predict_in_code,
    )  # fmt: skip


def load_native(
    artifact: Artifact, given: Input, trust: Trust, params: tuple[Param, ...] | None = None
) -> Loaded:
    """Load the model in its own framework, without the owner's class. Raises StartError."""
    if len(given.arrays) > 1 and artifact.flavor not in _OF_SEVERAL_TENSORS:
        raise StartError(
            f"{artifact.root.name}: the input has {len(given.arrays)} tensors, but MLflow's flavor "
            f"{artifact.flavor} hands a model one array",
            f"log it with one of {', '.join(_OF_SEVERAL_TENSORS)}",
        )
    # Import only the adapter in use, because each imports its framework.
    kind = "pyfunc" if _needs_mlflow(artifact, params) else _ADAPTERS[artifact.flavor]
    adapter = importlib.import_module(f"servestack_server.models.flavors.{kind}")
    return adapter.load(artifact, given, trust)  # type: ignore[no-any-return]
