"""What the service answers: predictions by the model's outputs, and errors by their status."""

from __future__ import annotations

from typing import Any

from servestack_server.docs_page.input_schema import Schema, scalar_schema, tensor_schema

_ERRORS = {
    "400": ("malformed_json", "The body is not what its content type says."),
    "401": ("unauthorized", "The API key is missing or not accepted."),
    "404": ("not_found", "There is no such model or version."),
    "413": ("too_large", "The body, or its number of rows, is above the limit."),
    "415": ("unsupported_type", "The content type or the encoding is not supported."),
    "422": ("out_of_range", "The body is well formed, and the model cannot take it."),
    "503": ("queue_full", "Not ready, or too many requests are waiting: try again later."),
}

EXAMPLE_ID = "2f6f1c8a-52e6-4b94-9d5c-000000000001"

_HEADERS = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "The request's id: as it was sent, or a new one. Feedback is joined by it.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "Seconds to wait before another try.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


def answer(description: str, schema: Schema, *, media_type: str = "application/json") -> Schema:
    """An answer with the headers that all requests for the model get."""
    content = {media_type: {"schema": schema}}
    return {"description": description, "headers": dict(_HEADERS), "content": content}


def plain_answer(description: str, media_type: str = "application/json") -> Schema:
    """An answer of health and the like: no request id, and no schema worth its lines."""
    return {"description": description, "content": {media_type: {"schema": {}}}}


def error_references(*statuses: str, of: str = "Error") -> dict[str, Schema]:
    """References to the error answers of an operation: `Error`, or `InferenceError`."""
    return {status: {"$ref": f"#/components/responses/{of}{status}"} for status in statuses}


def error_answers() -> dict[str, Schema]:
    """The error answers, for `components/responses`. The inference protocol's `error` is text."""
    answers = {}
    for status, (code, description) in _ERRORS.items():
        told = {"error": {"code": code, "message": description}, "id": EXAMPLE_ID}
        for name, example in (("Error", told), ("InferenceError", {"error": description})):
            found = answer(description, {"$ref": f"#/components/schemas/{name}"})
            found["content"]["application/json"]["example"] = example
            if status == "503":
                found["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
            answers[f"{name}{status}"] = found
    return answers


def answer_schemas(outputs: list[dict[str, Any]] | None) -> dict[str, Schema]:
    """The bodies of answers, for `components/schemas`."""
    prediction = prediction_schema(outputs)
    model = {
        "model": {"type": "string", "description": "The model that predicted."},
        "version": {"type": "string", "description": "Its version."},
        "id": {"type": "string", "description": "The request's id."},
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
                    "description": "One for each row, in the order of the rows.",
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
                    "description": "One for each row; null for a row that is among the errors.",
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
    """One row's prediction, of MLflow's outputs: a value, a list, or an object by column."""
    if not outputs:
        return {"description": "What the model answers for a row."}
    if len(outputs) == 1:
        return _output_schema(outputs[0])
    named = {
        str(output.get("name", index)): _output_schema(output)
        for index, output in enumerate(outputs)
    }
    values = [named[name] | {"title": name} for name in named]
    return {
        "description": "The outputs by name, or in their order.",
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
            "code": {"type": "string", "description": "Stable: programs may rely on it."},
            "message": {"type": "string", "description": "In words, for people."},
            "field": {"type": "string", "description": "The column or field at fault."},
            "row": {"type": "integer", "minimum": 0, "description": "The row at fault."},
            "status": {"type": "integer", "description": "The status, where 200 was answered."},
        },
        "required": ["code", "message"],
    }
