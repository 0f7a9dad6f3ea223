"""Metadata of the server and its models in the Open Inference Protocol (V2). Source: tensors.py."""

from __future__ import annotations

from typing import Any

from servestack_server import __version__
from servestack_server.api.tensors import datatype_of, named_arrays
from servestack_server.http.request import Request
from servestack_server.input.datatypes import datatype_of_column, datatype_of_dtype
from servestack_server.input.schema import TableSchema
from servestack_server.input.tensor_schema import TensorSchema, TensorsSchema
from servestack_server.models.model import Model
from servestack_server.prediction.target import ModelTarget
from servestack_server.service import Service


def input_tensors(schema: Any) -> list[dict[str, Any]]:
    """Describe the inputs in the form of model metadata. In a shape, -1 is any length."""
    if isinstance(schema, TensorsSchema):
        return [_described(part) for part in schema.parts.values()]
    if isinstance(schema, TensorSchema):
        return [_described(schema)]
    if not isinstance(schema, TableSchema):
        return []
    kinds = {datatype_of_column(column.type) for column in schema.columns}
    if len(kinds) == 1 and kinds != {"BYTES"}:
        return [{"name": "input", "datatype": kinds.pop(), "shape": [-1, len(schema.columns)]}]
    return [
        {
            "name": column.name or "input",
            "datatype": datatype_of_column(column.type),
            "shape": [-1],
        }
        for column in schema.columns
    ]


def _described(schema: TensorSchema) -> dict[str, Any]:
    tensor = schema.tensor
    datatype = datatype_of_dtype(schema.dtype.name)
    return {"name": tensor.name or "input", "datatype": datatype, "shape": list(tensor.shape)}


class ServerReady:
    """GET /v2/health/ready."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, request: Request) -> None:
        """Answer 200 or 503, as /readyz does."""
        ready = not self._service.unready_reason()
        # The protocol's text has `live` in this answer, its servers and clients `ready`.
        request.answer_json(200 if ready else 503, {"ready": ready, "live": True})


class ModelList:
    """GET /v1/models and /v2/models: the names of the models, as KServe's servers list them."""

    def __init__(self, service: Service) -> None:
        self._names = list(service.targets)

    def __call__(self, request: Request) -> None:
        """Answer {"models": [name, …]}."""
        request.answer_json(200, {"models": self._names})


class ModelPages:
    """Metadata and readiness of one model."""

    def __init__(self, service: Service, target: ModelTarget) -> None:
        self._service = service
        self._target = target

    def metadata(self, request: Request) -> None:
        """GET /v2/models/<name>: inputs and outputs of the model."""
        model = self._target.batcher.model
        example = self._target.example_named
        if example is None:
            example = self._target.example_outputs
        outputs = describe_outputs(example) if example is not None else []
        request.answer_json(
            200,
            {
                "name": model.name, "versions": [model.version],
                "platform": f"{model.flavor}_{model.runtime}",
                "inputs": input_tensors(self._service.schema), "outputs": outputs,
                **_parameters(model),
            },
        )  # fmt: skip

    def ready(self, request: Request) -> None:
        """GET /v2/models/<name>/ready: 200, or 503 if the service is not ready."""
        ready = not self._service.unready_reason()
        request.answer_json(200 if ready else 503, {"name": self._target.name, "ready": ready})


def _parameters(model: Model) -> dict[str, Any]:
    """Say how far a converted model's numbers were from its framework's, and which calls of a compiled
    model the framework's own library answers."""
    said = {
        "largest_difference": model.difference,
        "library_from_rows": getattr(model.native, "library_rows", None),
    }
    said = {name: value for name, value in said.items() if value is not None}
    return {"parameters": said} if said else {}


def server_alive(request: Request) -> None:
    """GET /: what KServe's servers answer as long as the event loop runs."""
    request.answer_json(200, {"status": "alive"})


def server_live(request: Request) -> None:
    """GET /v2/health/live: 200 as long as the event loop runs."""
    request.answer_json(200, {"live": True})


def server_metadata(request: Request) -> None:
    """GET /v2: name, version and extensions of the server."""
    request.answer_json(
        200, {"name": "servestack", "version": __version__, "extensions": ["binary_tensor_data"]}
    )


def describe_outputs(outputs: Any) -> list[dict[str, Any]]:
    """Describe the outputs in the form of model metadata, from the model's outputs for the example."""
    return [
        {"name": name, "datatype": datatype_of(array), "shape": [-1, *array.shape[1:]]}
        for name, array in named_arrays(outputs).items()
    ]
