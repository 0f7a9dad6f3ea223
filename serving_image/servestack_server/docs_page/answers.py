"""OpenAPI schemas of the answers: predictions by the model's outputs, errors by their status."""

from __future__ import annotations

from typing import Any

from servestack_server.docs_page.input_schema import tensor_schema
from servestack_server.docs_page.value_schema import Schema, scalar_schema

_ERRORS = {
    "400": ("malformed_json", "The body does not match its content type."),
    "401": ("unauthorized", "The API key is missing or not accepted."),
    "404": ("not_found", "There is no such model or version."),
    "413": ("too_large", "The body is too large or has too many rows."),
    "415": ("unsupported_type", "The content type or the encoding is not supported."),
    "422": ("out_of_range", "The body is well formed, but the model cannot take it."),
    "503": ("queue_full", "The service is not ready, or too many requests wait. Try again later."),
}

ERRORS = ("400", "413", "415", "422", "503")
"""The statuses of errors that a predicting route can give."""

EXAMPLE_ID = "2f6f1c8a-52e6-4b94-9d5c-000000000001"

_HEADERS = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "The id of the request: the caller's, or a new one. Feedback refers to it.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "Seconds to wait before the next attempt.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


def answer(description: str, schema: Schema, *, media_type: str = "application/json") -> Schema:
    """Return an answer with the headers that every answer of a model has."""
    content = {media_type: {"schema": schema}}
    return {"description": description, "headers": dict(_HEADERS), "content": content}


def plain_answer(description: str, media_type: str = "application/json") -> Schema:
    """Return an answer without a schema and a request id, for probes and the like."""
    return {"description": description, "content": {media_type: {"schema": {}}}}


def error_references(*statuses: str, of: str = "Error") -> dict[str, Schema]:
    """Return references to the error answers of an operation, by status.

    `of` is the form of the errors: `Error`, `InferenceError` for the Open Inference Protocol, or
    `SeldonError`.
    """
    return {status: {"$ref": f"#/components/responses/{of}{status}"} for status in statuses}


def error_answers(*, seldon: bool = False) -> dict[str, Schema]:
    """Return the error answers for `components/responses`, each in all forms.

    In the Open Inference Protocol `error` is a text. `seldon` adds the form of Seldon Core 1.
    """
    answers = {}
    for status, (code, description) in _ERRORS.items():
        forms: dict[str, Any] = {
            "Error": {"error": {"code": code, "message": description}, "id": EXAMPLE_ID},
            "InferenceError": {"error": description},
        }
        if seldon:
            told = {"code": int(status), "info": description, "reason": code, "status": "FAILURE"}
            forms["SeldonError"] = {"status": told, "meta": {"puid": EXAMPLE_ID}}
        for name, example in forms.items():
            found = answer(description, {"$ref": f"#/components/schemas/{name}"})
            found["content"]["application/json"]["example"] = example
            if status == "503":
                found["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
            answers[f"{name}{status}"] = found
    return answers


def answer_schemas(outputs: list[dict[str, Any]] | None) -> dict[str, Schema]:
    """Return the schemas of the answers' bodies for `components/schemas`.

    `outputs` are the outputs of an MLflow signature, as in `prediction_schema`.
    """
    prediction = prediction_schema(outputs)
    model = {
        "model": {"type": "string", "description": "The model that answered."},
        "version": {"type": "string", "description": "The version of the model."},
        "id": {"type": "string", "description": "The id of the request."},
    }
    row_error = _error_schema() | {"required": ["row", "code", "message"]}
    return {
        "Prediction": prediction,
        "Predictions": {
            "type": "object",
            "properties": {
                "predictions": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Prediction"},
                    "description": "One prediction for each row, in the order of the rows.",
                }
            }
            | model,
            "required": ["predictions", "model", "version", "id"],
        },
        "BatchPredictions": {
            "type": "object",
            "properties": {
                "predictions": {
                    "type": "array",
                    "items": {
                        "anyOf": [{"$ref": "#/components/schemas/Prediction"}, {"type": "null"}]
                    },
                    "description": "One prediction for each row; null for a row with an error.",
                },
                "errors": {"type": "array", "items": row_error},
            }
            | model,
            "required": ["predictions", "errors", "model", "version", "id"],
        },
        "Error": {
            "type": "object",
            "properties": {"error": _error_schema(), "id": {"type": "string"}},
            "required": ["error"],
        },
    }


def prediction_schema(outputs: list[dict[str, Any]] | None) -> Schema:
    """Return the schema of one row's prediction: a value, a list, or an object by column.

    `outputs` are the outputs of an MLflow signature; without them the schema allows any value.
    """
    if not outputs:
        return {"description": "The prediction of the model for one row."}
    if len(outputs) == 1:
        return _output_schema(outputs[0])
    named = {
        str(output.get("name", index)): _output_schema(output)
        for index, output in enumerate(outputs)
    }
    values = [named[name] | {"title": name} for name in named]
    return {
        "description": "The outputs by name, or as a list in their order.",
        "anyOf": [
            {"type": "object", "properties": named},
            {"type": "array", "prefixItems": values},
        ],
    }


def _output_schema(output: dict[str, Any]) -> Schema:
    """Source: mlflow.types.schema, `ColSpec.to_dict` and `TensorSpec.to_dict`."""
    tensor = output.get("tensor-spec")
    if output.get("type") == "tensor" and isinstance(tensor, dict):
        shape = tuple(int(length) for length in tensor.get("shape", ()))
        return tensor_schema(str(tensor.get("dtype", "")), shape[1:])
    return scalar_schema(str(output.get("type", "")))


def _error_schema() -> Schema:
    return {
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "A stable code: programs may rely on it."},
            "message": {"type": "string", "description": "What is wrong, for people."},
            "field": {"type": "string", "description": "The column or field at fault."},
            "row": {"type": "integer", "minimum": 0, "description": "The row at fault, from 0."},
            "status": {
                "type": "integer",
                "description": "The status of the error, if the answer itself has status 200.",
            },
        },
        "required": ["code", "message"],
    }
