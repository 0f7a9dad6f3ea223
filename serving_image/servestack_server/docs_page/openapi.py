"""The description of a service in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servestack_contract.settings import Column, ServerSettings, Tensor
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
from servestack_server.docs_page.own_routes import (
    ERRORS,
    PARAMETERS,
    has_entry,
    own_paths,
    request_body,
)

_SECURITY_SCHEME = "apiKey"


def openapi_document(
    config: ServerSettings,
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
            **own_paths(config, [name for name, _ in models], examples),
            **inference_paths(
                _inference_models(config, models),
                columns,
                tensor,
                example_rows(example, columns, tensor),
            ),
            **(_mlflow_paths(examples) if has_entry(config) else {}),
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


def _info(config: ServerSettings, models: Sequence[tuple[str, str]]) -> Schema:
    served = [f"- {name}, version {version}" for name, version in models]
    parts = [config.description, "Models:", "\n".join(served)]
    if config.error_style == "ok200":
        parts.append("Errors of a request are answered with status 200 and an `error` in the body.")
    return {
        "title": config.name,
        "version": models[0][1] if models else "",
        "description": "\n\n".join(part for part in parts if part),
    }


def _inference_models(
    config: ServerSettings, models: Sequence[tuple[str, str]]
) -> Sequence[tuple[str, str]]:
    """A graph answers under the service's name as well."""
    if config.graph is None or config.name in dict(models):
        return models
    return [*models, (config.name, "")]


def _mlflow_paths(examples: dict[str, Any]) -> dict[str, Schema]:
    body = request_body(examples)
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
                "parameters": PARAMETERS,
                "requestBody": body,
                "responses": {
                    "200": answer("Predictions.", predicted),
                    **error_references(*ERRORS),
                },
            }
        },
    }


def _operation_paths() -> dict[str, Schema]:
    return {
        "/ping": _get("MLflow", "ping", "Whether requests are taken", unready=True),
        "/health": _get("MLflow", "health", "Whether requests are taken", unready=True),
        "/version": _get("MLflow", "version", "The version of MLflow's protocol"),
        "/livez": _get("operation", "livez", "Whether the process is alive"),
        "/readyz": _get("operation", "readyz", "Whether requests are taken", unready=True),
        "/metrics": _get("operation", "metrics", "Metrics for Prometheus"),
    }


def _get(tag: str, name: str, summary: str, *, unready: bool = False) -> Schema:
    responses = {"200": plain_answer("OK.", "text/plain")}
    if unready:
        responses["503"] = plain_answer("Not now, and why.", "text/plain")
    return {"get": {"tags": [tag], "operationId": name, "summary": summary, "responses": responses}}


def _parameters() -> dict[str, Schema]:
    return {
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "An id of the caller's for the request; one is made where it is absent.",
            "schema": {"type": "string", "minLength": 8, "maxLength": 128},
        },
        "Traceparent": {
            "name": "traceparent",
            "in": "header",
            "description": "W3C trace context; it is kept with the events of the request.",
            "schema": {"type": "string"},
        },
    }


def _require_key(document: dict[str, Any], header: str) -> None:
    """Whatever takes a body or describes a model asks for the key; health and metrics do not."""
    document["components"]["securitySchemes"] = {
        _SECURITY_SCHEME: {"type": "apiKey", "in": "header", "name": header}
    }
    for path, operations in document["paths"].items():
        error = "InferenceError" if path.startswith("/v2/") else "Error"
        for method, operation in operations.items():
            if method == "post" or (path.startswith("/v2/models") and not path.endswith("/ready")):
                operation["security"] = [{_SECURITY_SCHEME: []}]
                operation["responses"] |= error_references("401", of=error)
