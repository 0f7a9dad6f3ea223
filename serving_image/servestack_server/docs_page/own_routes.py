"""The service's own routes: predict, batch and feedback, also for each of several models."""

from __future__ import annotations

from servestack_contract.settings import ServerSettings
from servestack_server.docs_page.answers import ERRORS, EXAMPLE_ID, answer, error_references
from servestack_server.docs_page.request_bodies import request_body
from servestack_server.docs_page.value_schema import Schema

PARAMETERS = [{"$ref": f"#/components/parameters/{name}"} for name in ("RequestId", "Traceparent")]

_TAG = "predict"


def has_entry(config: ServerSettings) -> bool:
    """Whether one model, or a graph of models, answers for the whole service."""
    return config.graph is not None or len(config.models) == 1


def own_paths(config: ServerSettings, names: list[str], body: Schema) -> dict[str, Schema]:
    """Return the paths below the base path.

    `names` are the models' names, `body` is the description of a body of rows.
    """
    ok200 = config.error_style == "ok200"
    paths: dict[str, Schema] = {}
    if has_entry(config):
        paths |= _predicting(config.path, [], "", ok200, body)
    if len(names) > 1:
        named = {
            "name": "model",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "enum": names},
        }
        paths |= _predicting(f"{config.path}/{{model}}", [named], "OfModel", ok200, body)
    if config.events is not None and "feedback" in config.events.kinds:
        paths[f"{config.path}/feedback"] = {"post": _feedback(ok200)}
    return paths


def _predicting(
    path: str, parameters: list[Schema], suffix: str, ok200: bool, body: Schema
) -> dict[str, Schema]:
    both = {
        "predict": ("Predict; one invalid row fails the request", "Predictions"),
        "batch": ("Predict many rows; an invalid row fails alone", "BatchPredictions"),
    }
    return {
        f"{path}/{name}": {
            "post": {
                "tags": [_TAG],
                "operationId": f"{name}{suffix}",
                "summary": summary,
                "parameters": [*parameters, *PARAMETERS],
                "requestBody": body,
                "responses": {
                    "200": answer("One prediction for each row.", _or_error(schema, ok200)),
                    **error_references(*ERRORS),
                },
            }
        }
        for name, (summary, schema) in both.items()
    }


def _or_error(name: str, ok200: bool) -> Schema:
    schema: Schema = {"$ref": f"#/components/schemas/{name}"}
    return {"anyOf": [schema, {"$ref": "#/components/schemas/Error"}]} if ok200 else schema


def _feedback(ok200: bool) -> Schema:
    body = {
        "type": "object",
        "properties": {
            "id": {
                "type": "string",
                "minLength": 8,
                "maxLength": 128,
                "description": "The id of the request that was answered with the prediction.",
            },
            "feedback": {
                "description": "Any JSON value, for example the true value, a rating or a click."
            },
        },
        "required": ["id", "feedback"],
        "additionalProperties": False,
    }
    examples = {"example": {"value": {"id": EXAMPLE_ID, "feedback": {"correct": True}}}}
    taken = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    told = {"200": answer("An error.", {"$ref": "#/components/schemas/Error"})} if ok200 else {}
    return {
        "tags": [_TAG],
        "operationId": "feedback",
        "summary": "Send feedback about a prediction",
        "parameters": PARAMETERS,
        "requestBody": request_body(examples, body),
        "responses": {
            "202": answer("The feedback is accepted.", taken),
            **told,
            **error_references(*ERRORS),
        },
    }
