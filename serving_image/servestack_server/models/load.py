"""Loads a model from a verified artifact."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from servestack_contract.mlmodel import FLAVORS, OF_SEVERAL_TENSORS, USE_PARAMS
from servestack_contract.settings import Column, Input, Param, Runtime, Tensor, Trust
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.models.baked import NotBakedError, baked_folder, load_baked
from servestack_server.models.mlmodel import Artifact, read_artifact
from servestack_server.models.model import Loaded, Model, Outputs, Predict, PredictWith, Rows, Whole
from servestack_server.models.owner import load_service

_ADAPTERS = {flavor.name: flavor.adapter or flavor.name for flavor in FLAVORS} | {
    "pyfunc": "pyfunc"
}


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
    outputs: tuple[str, ...] | None = None,
) -> Model:
    """Load the model at `folder`, an MLflow folder or a bare model file.

    `runtime` native never uses a conversion, onnx requires that to ONNX, and auto uses a plan if
    there is one. `params` are those of the service. `outputs` are those that an ONNX model answers
    row by row. Raises StartError for every failure.
    """
    artifact = read_artifact(folder)
    if outputs and artifact.flavor != "onnx":
        raise StartError(
            f"{name}: api.outputs names outputs of an ONNX graph, but this is a model of {artifact.flavor}",
            "leave out api.outputs; pyfunc_predict_fn at logging says what a model answers",
        )
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
        loaded = load_native(artifact, given, trust, params, outputs)
    model = Model(
        name, version, digest, artifact.flavor, kind, loaded.predict, loaded.native,
        difference=loaded.difference, predict_with=loaded.predict_with, input=loaded.input,
        named=loaded.named, whole=loaded.whole,
    )  # fmt: skip
    return _with_service(model, load_service(artifact, trust))


def _needs_mlflow(artifact: Artifact, params: tuple[Param, ...] | None) -> bool:
    """Whether only MLflow's own wrapper does what the params ask for."""
    return bool(params) and artifact.flavor in USE_PARAMS and bool(artifact.pyfunc)


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
    """Add the owner's object. Its `predict` replaces all calls of the model, and gets the model.

    Its `postprocess` gets outputs of the form `rows` on all routes, as its `predict` returns them.
    """
    if service is None:
        return model
    if hasattr(service, "predict"):
        predict, predict_with = _calls_of_code(model, service.predict)
    elif hasattr(service, "postprocess"):
        predict, predict_with = model.predict, model.predict_with
    else:
        return replace(model, service=service)
    takes_anything = model.whole is not None and not model.whole.by_row
    return replace(
        model, service=service, predict=predict, predict_with=predict_with, named=None,
        whole=Whole(predict, by_row=False, predict_with=predict_with) if takes_anything else None,
    )  # fmt: skip


def _calls_of_code(
    model: Model, own: Callable[[Rows, Model], Outputs]
) -> tuple[Predict, PredictWith | None]:
    """Return the owner's `predict` without and with params, which the model in it then gets."""
    predict_with = model.predict_with
    if predict_with is None:
        return lambda rows: own(rows, model), None

    def own_with(rows: Rows, params: dict[str, Any]) -> Outputs:
        return own(rows, replace(model, predict=lambda inputs: predict_with(inputs, params)))

    return lambda rows: own(rows, model), own_with


def load_native(
    artifact: Artifact, given: Input, trust: Trust, params: tuple[Param, ...] | None = None,
    outputs: tuple[str, ...] | None = None,
) -> Loaded:  # fmt: skip
    """Load the model in its own framework, without the owner's class. Raises StartError.

    `params` and `outputs` as in `load_model`.
    """
    if len(given.arrays) > 1 and artifact.flavor not in OF_SEVERAL_TENSORS:
        raise StartError(
            f"{artifact.root.name}: the input has {len(given.arrays)} tensors, but MLflow's flavor "
            f"{artifact.flavor} hands a model one array",
            f"log it with one of {', '.join(OF_SEVERAL_TENSORS)}",
        )
    # Import only the adapter in use, because each imports its framework.
    kind = "pyfunc" if _needs_mlflow(artifact, params) else _ADAPTERS[artifact.flavor]
    adapter = importlib.import_module(f"servestack_server.models.flavors.{kind}")
    named = (outputs,) if outputs and kind == "onnx" else ()
    return adapter.load(artifact, given, trust, *named)  # type: ignore[no-any-return]
