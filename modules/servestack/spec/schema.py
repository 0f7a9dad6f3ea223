"""Writes the JSON schemas of spec, environment and folder, for editors.

yaml-language-server reads draft 7 at most, and pydantic writes draft 2020-12. For what pydantic
uses here, the two drafts differ only in the place of definitions.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from servestack.spec.environment import Environment
from servestack.spec.environment_rules import FIXED_FIELDS
from servestack.spec.folder import Folder
from servestack.spec.merging import REPLACE, merged_lists
from servestack.spec.model_service import ModelService

SCHEMA_FOLDER = "docs/schema"
_DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def schema_text(kind: str) -> str:
    """Return the schema of `model-service`, `environment` or `folder` as JSON text."""
    made = {
        "model-service": model_service_schema,
        "environment": environment_schema,
        "folder": folder_schema,
    }
    return json.dumps(made[kind](), indent=2, ensure_ascii=False) + "\n"


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
    definitions = schema["definitions"] | overlay_definitions()
    properties = dict(schema["properties"])
    properties["defaults"] = _described(properties["defaults"], {"allOf": [_reference("Overlay")]})
    properties["overrides"] = _described(
        properties["overrides"],
        {"type": "object", "additionalProperties": _reference("Override")},
    )
    return {"$schema": _DRAFT_7} | schema | {"properties": properties, "definitions": definitions}


def folder_schema() -> dict[str, Any]:
    """Return the schema of models/<folder>/_folder.yaml, whose defaults have the fields of a spec."""
    schema: dict[str, Any] = _draft_7(Folder.model_json_schema(by_alias=True))
    definitions = {
        name: value for name, value in overlay_definitions().items() if "Override" not in name
    }
    properties = dict(schema["properties"])
    properties["defaults"] = _described(properties["defaults"], {"allOf": [_reference("Overlay")]})
    return {"$schema": _DRAFT_7} | schema | {"properties": properties, "definitions": definitions}


def overlay_definitions() -> dict[str, Any]:
    """Return the definitions of `Overlay` and `Override`, and all that they refer to.

    An override may also replace a list that layers add to: `egress: {replace: [...]}`.
    """
    model = _draft_7(ModelService.model_json_schema(by_alias=True))
    overlay = {key: value for key, value in model.items() if key not in ("required", "definitions")}
    overlay["title"] = "Overlay"
    overlay["description"] = "Some fields of a ModelService."
    overlay["properties"] = {
        name: value for name, value in model["properties"].items() if name not in FIXED_FIELDS
    }
    definitions: dict[str, Any] = model["definitions"] | {"Overlay": overlay}
    definitions["Override"] = deepcopy(overlay) | {"title": "Override"}
    for *sections, name in merged_lists(ModelService):
        fields = definitions["Override"]["properties"]
        for section in map(str, sections):
            fields = _own_section(fields, section, definitions)
        fields[name] = _replaceable(fields[str(name)])
    return definitions


def _own_section(
    fields: dict[str, Any], section: str, definitions: dict[str, Any]
) -> dict[str, Any]:
    """Give an override a definition of a section of its own, and return the section's fields."""
    field = fields[section]
    parts = [field, *field.get("allOf", ()), *field.get("anyOf", ())]
    holder = next(part for part in parts if "$ref" in part)
    name = holder["$ref"].removeprefix("#/definitions/")
    if not name.endswith("Override"):
        definitions[f"{name}Override"] = deepcopy(definitions[name])
        name = f"{name}Override"
        holder["$ref"] = _reference(name)["$ref"]
    own: dict[str, Any] = definitions[name]["properties"]
    return own


def _replaceable(entries: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in entries.items() if key in ("type", "items")}
    instead = {
        "type": "object",
        "properties": {REPLACE: plain},
        "required": [REPLACE],
        "additionalProperties": False,
    }
    rest = {key: value for key, value in entries.items() if key not in plain}
    return rest | {"anyOf": [plain, instead]}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{name}"}


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
