"""The JSON schema for editors says what the loader says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from servestack.spec.patterns import words_for
from servestack.spec.schema import environment_schema, folder_schema, model_service_schema
from tests.support.projects import PROJECTS

HERE = Path(__file__).parent
SPECS = [file for root in PROJECTS for file in sorted((root / "models").glob("*.yaml"))]
STACKS = [
    file for root in PROJECTS for file in sorted((root / "stacks").glob("*.yaml"))
    if not file.name.endswith(".lock.yaml")
]  # fmt: skip
STRUCTURAL = ("SRV111", "SRV112", "SRV113", "SRV116")


@pytest.mark.parametrize(
    "schema",
    [model_service_schema(), environment_schema(), folder_schema()],
    ids=["spec", "env", "folder"],
)
def test_it_is_draft_7(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "$defs" not in text
    assert "prefixItems" not in text


@pytest.mark.parametrize("file", SPECS, ids=str)
def test_specs_are_valid(file: Path) -> None:
    jsonschema.Draft7Validator(model_service_schema()).validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", STACKS, ids=str)
def test_environments_are_valid(file: Path) -> None:
    jsonschema.Draft7Validator(environment_schema()).validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    "file",
    [
        file for file in sorted((HERE / "invalid").glob("*.yaml"))
        if any(f" {id} " in file.read_text() for id in STRUCTURAL) and "tag" not in file.stem
    ],
    ids=lambda file: file.stem,
)  # fmt: skip
def test_what_the_types_refuse_the_schema_refuses(file: Path) -> None:
    data = yaml.load(file.read_text(), yaml.BaseLoader if "yes" in file.stem else yaml.SafeLoader)
    assert not jsonschema.Draft7Validator(model_service_schema()).is_valid(data)


def patterns(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {found for item in schema for found in patterns(item)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    return own | {found for value in schema.values() for found in patterns(value)}


def test_every_pattern_has_its_words() -> None:
    used = patterns(model_service_schema()) | patterns(environment_schema())
    quantities = {pattern for pattern in used if pattern.startswith(r"^\d+(\.\d+)?")}
    assert all(words_for(pattern) for pattern in used - quantities)


def test_every_field_is_described() -> None:
    for schema in (model_service_schema(), environment_schema()):
        for section in [schema, *schema["definitions"].values()]:
            for name, field in section.get("properties", {}).items():
                target = schema["definitions"].get(field.get("$ref", "").rpartition("/")[2], {})
                described = field.get("description") or target.get("description")
                assert described or name == "kind", (section.get("title"), name)
