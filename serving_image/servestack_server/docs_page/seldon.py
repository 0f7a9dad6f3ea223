"""The prediction path of Seldon Core 1, where the spec asks for it. Source: see api/seldon.py."""

from __future__ import annotations

from typing import Any

from servestack_contract import routes
from servestack_contract.settings import Column
from servestack_server.docs_page.answers import ERRORS, answer, error_references
from servestack_server.docs_page.request_bodies import request_body
from servestack_server.docs_page.value_schema import Schema

PATH = routes.SELDON[0]


def seldon_paths(
    base_path: str, columns: tuple[Column, ...] | None, rows: list[Any], parameters: list[Schema]
) -> dict[str, Schema]:
    """Return the path below the base path, where it can be reached from outside the cluster.

    `rows` are the example's rows by position.
    """
    data: Schema = {"ndarray": rows}
    if columns:
        data = {"names": [column.name for column in columns]} | data
    examples = {"data": {"value": {"data": data}}} if rows else {}
    message = {"$ref": "#/components/schemas/SeldonMessage"}
    return {
        f"{base_path}{PATH}": {
            "post": {
                "tags": ["Seldon"],
                "operationId": "seldonPredictions",
                "summary": "Predict with the protocol of Seldon Core 1",
                "parameters": parameters,
                "requestBody": request_body(examples, message),
                "responses": {
                    "200": answer("One prediction for each row.", message),
                    **error_references(*ERRORS, of="SeldonError"),
                },
            }
        }
    }


def seldon_schemas() -> dict[str, Schema]:
    """Return the message of requests and answers, and that of errors, for `components/schemas`."""
    array = {"type": "array"}
    tensor = {
        "type": "object",
        "properties": {
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "values": {"type": "array", "items": {"type": ["number", "null"]}},
        },
        "required": ["shape", "values"],
    }
    names = {"type": "array", "items": {"type": "string"}}
    return {
        "SeldonMessage": {
            "type": "object",
            "description": "One of data, strData, binData and jsonData.",
            "properties": {
                "data": {
                    "type": "object",
                    "properties": {"names": names, "ndarray": array, "tensor": tensor},
                },
                "strData": {"type": "string"},
                "binData": {"type": "string", "contentEncoding": "base64"},
                "jsonData": {"description": "A body as the service's own routes take it."},
                "meta": {
                    "type": "object",
                    "properties": {
                        "puid": {"type": "string"},
                        "tags": {"type": "object"},
                        "requestPath": {"type": "object"},
                    },
                },
            },
        },
        "SeldonError": {
            "type": "object",
            "properties": {
                "status": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "integer", "description": "The HTTP status."},
                        "info": {"type": "string", "description": "What is wrong, for people."},
                        "reason": {"type": "string", "description": "A stable code."},
                        "status": {"const": "FAILURE"},
                    },
                    "required": ["code", "info", "reason", "status"],
                },
                "meta": {"type": "object", "properties": {"puid": {"type": "string"}}},
            },
            "required": ["status"],
        },
    }
