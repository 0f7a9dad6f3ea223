"""Whatever is in a file: a spec, or a SpecError. Never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from servestack.errors import SpecError
from servestack.spec.document import parse_document
from servestack.spec.load import check_model_service
from servestack.spec.model_service import ModelService
from servestack.spec.schema import model_service_schema

FILE = Path("fuzz.yaml")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["500m", "300Mi", "models:/a@b", "split", "a", "yes", "~", "=", "<<"]),
)  # fmt: skip


def field_names(schema: Any) -> set[str]:
    """Every property name of the schema: what a fuzzer must know to get deep."""
    if isinstance(schema, list):
        return {name for item in schema for name in field_names(item)}
    if not isinstance(schema, dict):
        return set()
    names = set(schema.get("properties", {}))
    return names | {name for value in schema.values() for name in field_names(value)}


NAMES = st.one_of(st.sampled_from(sorted(field_names(model_service_schema()))), st.text(max_size=8))
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
HEAD = {"apiVersion": "servestack/v1", "kind": "ModelService", "name": "iris"}


def load(text: str) -> None:
    """Load as a file is loaded, secrets, rules and all."""
    try:
        document = parse_document(text, FILE)
        _, problems = check_model_service(document.data, document.location)
    except SpecError as error:
        problems = list(error.problems)
    for problem in problems:
        assert problem.id.startswith("SRV1")
        assert problem.message
        assert problem.location is not None


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    load(text)


@given(st.text(alphabet="ab01:-{}[]&*!|>'\"%@` \n\t#?,~", max_size=60))
def test_yaml_shaped_text(text: str) -> None:
    load(text)


@example({"[key]": None})
@given(st.dictionaries(NAMES, DATA, max_size=8))
def test_any_fields(fields: dict[str, Any]) -> None:
    load(yaml.safe_dump(HEAD | fields, allow_unicode=True))


@given(
    st.dictionaries(st.sampled_from(sorted(ModelService.model_json_schema()["properties"])), DATA)
)
def test_known_fields_with_any_value(fields: dict[str, Any]) -> None:
    load(yaml.safe_dump(HEAD | fields, allow_unicode=True))
