"""The description of a service in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servestack_server.config import Column, ServiceConfig, Tensor
from servestack_server.docs_page.answers import (
    HEADERS,
    answer,
    answer_schemas,
    error_answers,
    error_references,
    plain_answer,
)
from servestack_server.docs_page.example import body_examples, example_rows
from servestack_server.docs_page.inference_protocol import inference_paths, inference_schemas
from servestack_server.docs_page.input_schema import Schema, body_schemas

_BODY = {"$ref": "#/components/schemas/Body"}
_ERRORS = ("400", "413", "415", "422", "503")
_PARAMETERS = [{"$ref": f"#/components/parameters/{name}"} for name in ("RequestId", "Traceparent")]
_SECURITY_SCHEME = "apiKey"


def openapi_document(
    config: ServiceConfig,
    *,
    columns: tuple[Column, ...] | None,
    tensor: Tensor | None,
    example: Any,
    outputs: list[dict[str, Any]] | None,
    models: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """The document as JSON values.

    `outputs` is the signature's of MLflow; `models` holds names and versions, the service's own
    model first. `example` is any accepted body; without it one is made up from the input.
    """
    examples = body_examples(example, columns, tensor)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": _info(config, models),
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "predict", "description": "The service's own routes."},
            {"name": "inference protocol", "description": "Open Inference Protocol V2."},
            {"name": "MLflow", "description": "MLflow's scoring protocol."},
            {"name": "operation", "description": "Health and metrics."},
        ],
        "paths": {
            **_own_paths(config, examples),
            **inference_paths(models, columns, tensor, example_rows(example, columns, tensor)),
            **_mlflow_paths(examples),
            **_operation_paths(),
        },
        "components": {
            "schemas": {
                **body_schemas(columns, tensor),
                **answer_schemas(outputs),
                **inference_schemas(),
            },
            "responses": error_answers(),
            "headers": HEADERS,
            "parameters": _parameters(),
        },
    }
    if config.api_keys is not None:
        _require_key(document, config.api_keys.header)
    return document


def _info(config: ServiceConfig, models: Sequence[tuple[str, str]]) -> Schema:
    served = [f"- {name}, version {version}" for name, version in models]
    parts = [config.description, "Models:", "\n".join(served)]
    if config.error_style == "ok200":
        parts.append("Errors of a request are answered with status 200 and an `error` in the body.")
    return {
        "title": config.name,
        "version": models[0][1] if models else "",
        "description": "\n\n".join(part for part in parts if part),
    }


def _own_paths(config: ServiceConfig, examples: dict[str, Any]) -> dict[str, Schema]:
    predicted: Schema = {"$ref": "#/components/schemas/Predictions"}
    if config.error_style == "ok200":
        predicted = {"anyOf": [predicted, {"$ref": "#/components/schemas/Error"}]}
    return {
        f"{config.path}/predict": {
            "post": {
                "tags": ["predict"],
                "operationId": "predict",
                "summary": "Predict; a row that does not fit fails the request",
                "parameters": _PARAMETERS,
                "requestBody": _request_body(_BODY, examples),
                "responses": {
                    "200": answer("Predictions.", predicted),
                    **error_references(*_ERRORS),
                },
            }
        },
        f"{config.path}/batch": {
            "post": {
                "tags": ["predict"],
                "operationId": "batch",
                "summary": "Predict many rows; a row that does not fit fails alone",
                "parameters": _PARAMETERS,
                "requestBody": _request_body(_BODY, examples),
                "responses": {
                    "200": answer(
                        "Predictions, and the rows that have none.",
                        {"$ref": "#/components/schemas/BatchPredictions"},
                    ),
                    **error_references(*_ERRORS),
                },
            }
        },
        f"{config.path}/feedback": {"post": _feedback()},
    }


def _feedback() -> Schema:
    body = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "The id of the request it is about."},
            "feedback": {"description": "Any JSON: the true value, a rating, a click."},
        },
        "required": ["id", "feedback"],
    }
    examples = {"example": {"value": {"id": "5f1c8a52e6b94d5c", "feedback": {"correct": True}}}}
    return {
        "tags": ["predict"],
        "operationId": "feedback",
        "summary": "Say how a prediction turned out",
        "parameters": _PARAMETERS,
        "requestBody": _request_body(body, examples),
        "responses": {
            "202": answer("Taken.", {"type": "object"}),
            **error_references(*_ERRORS),
        },
    }


def _mlflow_paths(examples: dict[str, Any]) -> dict[str, Schema]:
    body = _request_body(_BODY, examples)
    body["content"]["text/csv"] = {
        "schema": {"type": "string", "description": "A line of column names, then rows."}
    }
    predicted = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}}
        },
        "required": ["predictions"],
    }
    return {
        "/invocations": {
            "post": {
                "tags": ["MLflow"],
                "operationId": "invocations",
                "summary": "Predict in MLflow's scoring protocol",
                "parameters": _PARAMETERS,
                "requestBody": body,
                "responses": {
                    "200": answer("Predictions.", predicted),
                    **error_references(*_ERRORS),
                },
            }
        },
        "/ping": _get("MLflow", "ping", "Whether the model answers", unready=True),
        "/health": _get("MLflow", "health", "The same as /ping", unready=True),
        "/version": _get("MLflow", "version", "The version of MLflow's protocol", "text/plain"),
    }


def _operation_paths() -> dict[str, Schema]:
    return {
        "/livez": _get("operation", "livez", "Whether the process is alive"),
        "/readyz": _get("operation", "readyz", "Whether requests are taken", unready=True),
        "/metrics": _get("operation", "metrics", "Metrics for Prometheus", "text/plain"),
    }


def _get(
    tag: str,
    name: str,
    summary: str,
    media_type: str = "application/json",
    *,
    unready: bool = False,
) -> Schema:
    responses = {"200": plain_answer("Yes." if unready else "OK.", media_type)}
    if unready:
        responses |= error_references("503")
    return {"get": {"tags": [tag], "operationId": name, "summary": summary, "responses": responses}}


def _request_body(schema: Schema, examples: dict[str, Any]) -> Schema:
    content = {"schema": schema} | ({"examples": examples} if examples else {})
    return {"required": True, "content": {"application/json": content}}


def _parameters() -> dict[str, Schema]:
    return {
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "An id of the caller's for the request; one is made where it is absent.",
            "schema": {"type": "string", "maxLength": 128},
        },
        "Traceparent": {
            "name": "traceparent",
            "in": "header",
            "description": "W3C trace context; it is logged and passed on.",
            "schema": {"type": "string"},
        },
    }


def _require_key(document: dict[str, Any], header: str) -> None:
    """Whatever takes a body asks for the key; health, metadata and metrics do not."""
    document["components"]["securitySchemes"] = {
        _SECURITY_SCHEME: {"type": "apiKey", "in": "header", "name": header}
    }
    for operations in document["paths"].values():
        if "post" in operations:
            operations["post"]["security"] = [{_SECURITY_SCHEME: []}]
            operations["post"]["responses"] |= error_references("401")
