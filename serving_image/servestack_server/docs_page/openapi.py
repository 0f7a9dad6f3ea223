"""The description of a service in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servestack_contract import routes
from servestack_contract.settings import Column, ServerSettings, Tensor
from servestack_server.docs_page.answers import (
    ERRORS,
    HEADERS,
    answer,
    answer_schemas,
    error_answers,
    error_references,
    plain_answer,
)
from servestack_server.docs_page.example import body_examples, example_rows
from servestack_server.docs_page.inference_protocol import inference_paths, inference_schemas
from servestack_server.docs_page.input_schema import body_schemas
from servestack_server.docs_page.own_routes import PARAMETERS, has_entry, own_paths
from servestack_server.docs_page.request_bodies import rows_body
from servestack_server.docs_page.seldon import PATH as SELDON_PATH
from servestack_server.docs_page.seldon import seldon_paths, seldon_schemas
from servestack_server.docs_page.value_schema import Schema

_SECURITY_SCHEME = "apiKey"


def openapi_document(
    config: ServerSettings,
    *,
    columns: tuple[Column, ...] | None,
    tensors: tuple[Tensor, ...],
    example: Any,
    outputs: list[dict[str, Any]] | None,
    models: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Return the OpenAPI document as JSON values.

    `outputs` are the outputs of an MLflow signature. `models` holds (name, version) of each model,
    the service's own model first. `example` is any accepted body; if it is None, one is made up
    from the input.
    """
    params = config.params or ()
    body = rows_body(body_examples(example, columns, tensors, params), columns, tensors)
    rows = example_rows(example, columns, tensors)
    has_seldon = "seldon" in (config.protocols or ())
    is_open = config.input.unknown_columns == "ignore"
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": _info(config, models),
        "servers": [{"url": config.path_prefix or "/"}],
        "tags": [
            {"name": "predict", "description": "The service's own routes."},
            {"name": "inference protocol", "description": "Open Inference Protocol V2."},
            {"name": "MLflow", "description": "MLflow's scoring protocol."},
            {"name": "operation", "description": "Probes and metrics."},
        ],
        "paths": {
            **own_paths(config, [name for name, _ in models], body),
            **inference_paths(_inference_models(config, models), columns, tensors, rows),
            **(_mlflow_paths(body) if has_entry(config) else {}),
            **_operation_paths(),
        },
        "components": {
            "schemas": {
                **body_schemas(columns, tensors, params, is_open=is_open),
                **answer_schemas(outputs),
                **inference_schemas(),
            },
            "responses": error_answers(seldon=has_seldon),
            "headers": HEADERS,
            "parameters": _parameters(),
        },
    }
    if has_seldon and has_entry(config):
        document["tags"].append({"name": "Seldon", "description": "Seldon Core 1's protocol."})
        document["paths"] |= seldon_paths(config.path, columns, rows, PARAMETERS)
        document["components"]["schemas"] |= seldon_schemas()
    if config.api_keys is not None:
        _require_key(document, config.api_keys.header)
    return document


def _info(config: ServerSettings, models: Sequence[tuple[str, str]]) -> Schema:
    served = [f"- {name}, version {version}" for name, version in models]
    parts = [config.description, "Models:", "\n".join(served)]
    if config.error_style == "ok200":
        parts.append("A request that fails gets status 200, with an `error` in the body.")
    return {
        "title": config.name,
        "version": models[0][1] if models else "",
        "description": "\n\n".join(part for part in parts if part),
    }


def _inference_models(
    config: ServerSettings, models: Sequence[tuple[str, str]]
) -> Sequence[tuple[str, str]]:
    """Add the service's own name if a graph answers under it."""
    if config.graph is None or config.name in dict(models):
        return models
    return [*models, (config.name, "")]


def _mlflow_paths(body: Schema) -> dict[str, Schema]:
    predicted = {
        "type": "object",
        "properties": {
            "predictions": {
                "description": "One prediction for each row. A model of the owner's own code answers "
                "in a form of its own, an ONNX model with its outputs by name."
            }
        },
        "required": ["predictions"],
    }
    return {
        routes.INVOCATIONS: {
            "post": {
                "tags": ["MLflow"],
                "operationId": "invocations",
                "summary": "Predict with MLflow's scoring protocol",
                "parameters": PARAMETERS,
                "requestBody": body,
                "responses": {
                    "200": answer("What MLflow's own server answers.", predicted),
                    **error_references(*ERRORS),
                },
            }
        },
    }


def _operation_paths() -> dict[str, Schema]:
    return {
        routes.PING: _get("MLflow", "ping", "Whether the service is ready", unready=True),
        routes.HEALTH: _get("MLflow", "health", "Whether the service is ready", unready=True),
        routes.VERSION: _get("MLflow", "version", "The version of MLflow's protocol"),
        routes.LIVE: _get("operation", "livez", "Whether the process is alive"),
        routes.READY: _get("operation", "readyz", "Whether the service is ready", unready=True),
        routes.METRICS: _get("operation", "metrics", "Metrics for Prometheus"),
    }


def _get(tag: str, name: str, summary: str, *, unready: bool = False) -> Schema:
    responses = {"200": plain_answer("OK.", "text/plain")}
    if unready:
        responses["503"] = plain_answer("Not ready; the body says why.", "text/plain")
    return {"get": {"tags": [tag], "operationId": name, "summary": summary, "responses": responses}}


def _parameters() -> dict[str, Schema]:
    return {
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "The caller's id for the request. Without it the server makes one.",
            "schema": {"type": "string", "minLength": 8, "maxLength": 128},
        },
        "Traceparent": {
            "name": "traceparent",
            "in": "header",
            "description": "W3C trace context. The events of the request contain it.",
            "schema": {"type": "string"},
        },
    }


def _require_key(document: dict[str, Any], header: str) -> None:
    """Require the key for operations that take a body or describe a model, not for probes."""
    document["components"]["securitySchemes"] = {
        _SECURITY_SCHEME: {"type": "apiKey", "in": "header", "name": header}
    }
    for path, operations in document["paths"].items():
        error = "InferenceError" if path.startswith("/v2/") else "Error"
        error = "SeldonError" if path.endswith(SELDON_PATH) else error
        for method, operation in operations.items():
            if method == "post" or (path.startswith("/v2/models") and not path.endswith("/ready")):
                operation["security"] = [{_SECURITY_SCHEME: []}]
                operation["responses"] |= error_references("401", of=error)
