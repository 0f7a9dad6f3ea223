"""Writes the JSON schemas of spec and environment, for editors.

yaml-language-server reads draft 7 at most, and pydantic writes draft 2020-12. For what pydantic
uses here, the two drafts differ only in the place of definitions.
"""

from __future__ import annotations

import json
from typing import Any

from servestack.spec.environment import Environment
from servestack.spec.environment_rules import FIXED_FIELDS
from servestack.spec.model_service import ModelService

SCHEMA_FOLDER = "docs/schema"
_DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def schema_text(kind: str) -> str:
    """Return the schema of `model-service` or `environment` as JSON text."""
    schema = environment_schema() if kind == "environment" else model_service_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def model_service_schema() -> dict[str, Any]:
    """Return the schema of models/<name>.yaml."""
    schema: dict[str, Any] = _draft_7(ModelService.model_json_schema(by_alias=True))
    # Exactly one of the two is required, but pydantic knows them as optional fields.
    return (
        {"$schema": _DRAFT_7}
        | schema
        | {"oneOf": [{"required": ["artifact"]}, {"required": ["models"]}]}
    )


def environment_schema() -> dict[str, Any]:
    """Return the schema of stacks/<name>.yaml, in which overlays have the fields of a spec."""
    schema: dict[str, Any] = _draft_7(Environment.model_json_schema(by_alias=True))
    model = _draft_7(ModelService.model_json_schema(by_alias=True))
    overlay = {key: value for key, value in model.items() if key not in ("required", "definitions")}
    overlay["title"] = "Overlay"
    overlay["description"] = "Some fields of a ModelService."
    overlay["properties"] = {
        name: value for name, value in model["properties"].items() if name not in FIXED_FIELDS
    }
    definitions = schema["definitions"] | model["definitions"] | {"Overlay": overlay}
    reference = {"$ref": "#/definitions/Overlay"}
    properties = dict(schema["properties"])
    properties["defaults"] = _described(properties["defaults"], {"allOf": [reference]})
    properties["overrides"] = _described(
        properties["overrides"], {"type": "object", "additionalProperties": reference}
    )
    return {"$schema": _DRAFT_7} | schema | {"properties": properties, "definitions": definitions}


def _described(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {key: old[key] for key in ("description", "default", "examples") if key in old} | new


def _draft_7(value: Any) -> Any:
    if isinstance(value, list):
        return [_draft_7(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, inner in value.items():
        if key == "$defs":
            result["definitions"] = _draft_7(inner)
        elif key == "$ref":
            result[key] = inner.replace("#/$defs/", "#/definitions/")
        elif key == "discriminator":
            continue  # OpenAPI has it, JSON schema does not.
        else:
            result[key] = _draft_7(inner)
    return result
