"""The paths of the Open Inference Protocol V2, with Triton's extension for binary tensors.

Sources: https://github.com/kserve/open-inference-protocol (inference_rest.md) and
https://github.com/triton-inference-server/server (protocol/extension_binary_data.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from servestack_contract import routes
from servestack_contract.settings import NESTED_TYPES, Column, Tensor
from servestack_server.docs_page.answers import answer, error_references, plain_answer
from servestack_server.docs_page.value_schema import Schema
from servestack_server.input.datatypes import (
    BINARY_ONLY,
    DTYPES,
    datatype_of_column,
    datatype_of_dtype,
)

_TAG = "inference protocol"


def inference_paths(
    models: Sequence[tuple[str, str]],
    columns: tuple[Column, ...] | None,
    tensors: tuple[Tensor, ...],
    rows: list[Any],
) -> dict[str, Schema]:
    """Return the paths for health, metadata and inference, with and without a version.

    `models` holds (name, version) of each model, `rows` the example's rows as `example_rows` does.
    """
    request = infer_example(columns, tensors, rows)
    name = _path_parameter("name", [name for name, _ in models])
    version = _path_parameter("version", [version for _, version in models if version])
    return {
        routes.V2: {"get": _get("serverMetadata", "The server's name and extensions")},
        f"{routes.V2_HEALTH}/live": {"get": _get("serverLive", "Whether the process is alive")},
        f"{routes.V2_HEALTH}/ready": {
            "get": _get("serverReady", "Whether the server is ready", "503")
        },
        routes.V2_MODELS: {"get": _get("listModels", "The models' names")},
        **_model_paths(f"{routes.V2_MODELS}/{{name}}", [name], "", request),
        **_model_paths(
            f"{routes.V2_MODELS}/{{name}}/versions/{{version}}", [name, version], "Version", request
        ),
    }


def infer_example(
    columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...], rows: list[Any]
) -> dict[str, Any] | None:
    """Return a request with the example's rows in the tensors that the model's metadata names.

    That is one tensor of shape [rows, columns] if all columns are numbers of one type, else one
    tensor of shape [rows] for each column. None if there is no example.
    """
    if not rows:
        return None
    if columns:
        by_column = _column_tensors(columns, rows)
        return {"inputs": by_column} if by_column else None
    if not tensors:
        return None
    if len(tensors) > 1:
        told = [_tensor(one, [row[one.name] for row in rows]) for one in tensors]
    else:
        told = [_tensor(tensors[0], rows)]
    # Where numbers come in half precision the answer has them too, and they are no JSON.
    halves = any(datatype_of_dtype(tensor.dtype) in BINARY_ONLY for tensor in tensors)
    return {"inputs": told} | ({"parameters": {"binary_data_output": True}} if halves else {})


def _tensor(tensor: Tensor, data: list[Any]) -> Schema:
    """A type that is no JSON, which is float16, is sent as FP32."""
    datatype = datatype_of_dtype(tensor.dtype)
    return {
        "name": tensor.name or "input",
        "shape": _shape(data),
        "datatype": "FP32" if datatype in BINARY_ONLY else datatype,
        "data": data,
    }


def _column_tensors(columns: tuple[Column, ...], rows: list[Any]) -> list[Schema]:
    """Tensors cannot hold null, so an optional column with nulls is left out. What holds other
    values is sent as JSON text."""
    datatypes = {datatype_of_column(column.type) for column in columns}
    whole = all(value is not None for row in rows for value in row)
    if whole and len(datatypes) == 1 and datatypes != {"BYTES"}:
        shape = [len(rows), len(columns)]
        return [{"name": "input", "shape": shape, "datatype": datatypes.pop(), "data": rows}]
    tensors = []
    for index, column in enumerate(columns):
        values = [row[index] for row in rows]
        if None in values:
            if column.required:
                return []
            continue
        datatype = datatype_of_column(column.type)
        if column.type in NESTED_TYPES:
            values = [json.dumps(value) for value in values]
        name = column.name or "input"
        tensors.append({"name": name, "shape": [len(rows)], "datatype": datatype, "data": values})
    return tensors


def inference_schemas() -> dict[str, Schema]:
    """Return the schemas of requests, answers and metadata for `components/schemas`."""
    described = {
        "name": {"type": "string"},
        "datatype": {"type": "string", "enum": [*DTYPES]},
        "shape": {"type": "array", "items": {"type": "integer"}},
    }
    tensor = {
        "type": "object",
        "properties": described | {"data": {"type": "array"}, "parameters": {"type": "object"}},
        "required": ["name", "datatype", "shape"],
    }
    metadata = {"type": "object", "properties": described, "required": [*described]}
    tensors = {"type": "array", "items": {"$ref": "#/components/schemas/InferTensor"}}
    described_tensors = {"type": "array", "items": metadata}
    wanted = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
        "required": ["name"],
    }
    text = {"type": "string"}
    return {
        "InferTensor": tensor,
        "InferRequest": {
            "type": "object",
            "properties": {
                "id": text,
                "parameters": {"type": "object"},
                "inputs": tensors | {"minItems": 1},
                "outputs": {"type": "array", "items": wanted},
            },
            "required": ["inputs"],
        },
        "InferAnswer": {
            "type": "object",
            "properties": {
                "id": text,
                "model_name": text,
                "model_version": text,
                "parameters": {"type": "object"},
                "outputs": tensors,
            },
            "required": ["model_name", "outputs"],
        },
        "InferenceError": {
            "type": "object",
            "properties": {"error": {"type": "string"}},
            "required": ["error"],
        },
        "ModelMetadata": {
            "type": "object",
            "properties": {
                "name": text,
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": described_tensors,
                "outputs": described_tensors,
            },
            "required": ["name", "platform", "inputs", "outputs"],
        },
    }


def _model_paths(
    path: str, parameters: list[Schema], suffix: str, request: dict[str, Any] | None
) -> dict[str, Schema]:
    metadata = answer("The metadata of the model.", {"$ref": "#/components/schemas/ModelMetadata"})
    return {
        path: {
            "get": _get(f"metadata{suffix}", "Inputs and outputs of a model")
            | {"parameters": parameters, "responses": {"200": metadata, **_errors("404")}},
        },
        f"{path}/ready": {
            "get": _get(f"ready{suffix}", "Whether the model is ready", "404", "503")
            | {"parameters": parameters}
        },
        f"{path}/infer": {"post": _infer(parameters, suffix, request)},
    }


def _infer(parameters: list[Schema], suffix: str, request: dict[str, Any] | None) -> Schema:
    body: Schema = {"schema": {"$ref": "#/components/schemas/InferRequest"}}
    if request is not None:
        body["examples"] = {"example": {"value": request}}
    binary = {
        "schema": {
            "description": "JSON of `Inference-Header-Content-Length` bytes, then binary tensors."
        }
    }
    content = {"application/json": body, "application/octet-stream": binary}
    answered = answer("The outputs of the model.", {"$ref": "#/components/schemas/InferAnswer"})
    statuses = ("400", "404", "413", "415", "422", "503")
    return {
        "tags": [_TAG],
        "operationId": f"infer{suffix}",
        "summary": "Predict with tensors",
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answered, **_errors(*statuses)},
    }


def _get(name: str, summary: str, *statuses: str) -> Schema:
    responses = {"200": plain_answer("OK."), **_errors(*statuses)}
    return {"tags": [_TAG], "operationId": name, "summary": summary, "responses": responses}


def _errors(*statuses: str) -> dict[str, Schema]:
    return error_references(*statuses, of="InferenceError")


def _path_parameter(name: str, values: list[str]) -> Schema:
    schema: Schema = {"type": "string"}
    if values:
        schema["enum"] = list(dict.fromkeys(values))
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _shape(data: Any) -> list[int]:
    shape = []
    while isinstance(data, list):
        shape.append(len(data))
        data = data[0] if data else None
    return shape
