"""Checks manifests against the schemas of the Kubernetes API and the CRDs, offline and strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs

from servestack.manifests.manifest import Body
from servestack.review.mask import masked_at
from servestack.secrets.search import masked_value

Path = tuple[str | int, ...]

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NAMES = {"Service": (_SERVICE_NAME, 63), "Namespace": (_DNS_LABEL, 63)}
"""Syntax and length of the names that are not those of every other kind."""
_MAX_ANNOTATION_BYTES = 256 * 1024
_MAX_OBJECT_BYTES = 1024 * 1024
_MAX_WORDS = 300


class SchemaFault(NamedTuple):
    """What is wrong with the field at a path of a manifest, in words.

    `unknown` are the fields below it that the schema does not know.
    """

    path: Path
    message: str
    unknown: tuple[str, ...] = ()


def validate(body: Body) -> list[SchemaFault]:
    """Every fault of a manifest, in the order of its fields; empty where it is valid."""
    kind = str(body.get("kind", ""))
    validator = _validator(kind)
    if validator is None:
        return [
            SchemaFault(
                (),
                f"servestack has no schema of {kind!r}: its builder needs a row in "
                "manifests/kinds.py and a schema from tools/schemas/bundle.py",
            )
        ]
    faults = list(_faults_beyond_schema(body))
    try:
        if not validator.is_valid(body):
            faults += [_in_words(error, kind) for error in validator.iter_errors(body)]
    except ValueError:
        # The validator takes only what JSON can hold: no dates, no keys but text.
        faults.append(SchemaFault((), "contains a key or a value that JSON cannot represent"))
    return faults


@cache
def load_schema(kind: str) -> dict[str, Any] | None:
    """The bundled schema of a kind; None where there is none."""
    file = files("servestack.review") / "schemas" / f"{kind.lower()}.json"
    if not re.fullmatch(r"[A-Za-z]+", kind) or not file.is_file():
        return None
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema if schema.get("title") == kind else None


@cache
def _validator(kind: str) -> Any:
    schema = load_schema(kind)
    return None if schema is None else jsonschema_rs.validator_for(schema)


def _in_words(error: Any, kind: str) -> SchemaFault:
    path = tuple(error.instance_path)
    rule, facts = error.kind.name, error.kind.as_dict()
    is_not = f"not {_shown(masked_at(path, error.instance))}"
    match rule:
        case "additionalProperties":
            message = _unknown_fields(kind, path, facts["unexpected"])
        case "required":
            path, message = (*path, facts["property"]), "is required"
        case "type":
            message = f"must be {_one_of_types(facts['types'])}, {is_not}"
        case "anyOf" if "Quantity" in str(error.schema_path):
            message = f"must be a quantity such as 500m or 300Mi, {is_not}"
        case "anyOf" if all(inner.kind.name == "type" for _, inner in _alternatives(facts)):
            types = [name for _, inner in _alternatives(facts) for name in inner.kind.types]
            message = f"must be {_one_of_types(types)}, {is_not}"
        case "enum":
            options = ", ".join(_shown(option) for option in facts["options"])
            message = f"must be one of {options}, {is_not}"
        case "const":
            message = f"must be {_shown(facts['expected_value'])}, {is_not}"
        case _:
            # The validator quotes the value, whatever it is.
            message = (
                masked_value(str(error.message))
                if masked_at(path, error.instance) == error.instance
                else "is not allowed"
            )
    unknown = tuple(facts["unexpected"]) if rule == "additionalProperties" else ()
    return SchemaFault(path, _shortened(message), unknown)


def _alternatives(facts: dict[str, Any]) -> list[tuple[int, Any]]:
    """(number of the alternative, its error) of everything that an anyOf tried."""
    return [(number, error) for number, tried in enumerate(facts["context"]) for error in tried]


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def _one_of_types(types: list[str]) -> str:
    return " or ".join(_TYPES[name] for name in types)


def _shown(value: Any) -> str:
    return _shortened(json.dumps(value, ensure_ascii=False, default=str), 80)


def _shortened(text: str, most: int = _MAX_WORDS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _unknown_fields(kind: str, path: Path, names: list[str]) -> str:
    known = sorted(_properties_at(load_schema(kind) or {}, path))
    near = [match for name in names for match in get_close_matches(name, known, n=1)]
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return f"unknown field {', '.join(names)}{hint}"


def _properties_at(schema: dict[str, Any], path: Path) -> set[str]:
    """Names of the fields that the schema knows at a path."""
    here: Any = schema
    for part in path:
        here = _dereferenced(schema, here)
        if isinstance(part, int):
            here = here.get("items", {})
        else:
            extra = here.get("additionalProperties")
            here = here.get("properties", {}).get(part, extra if isinstance(extra, dict) else {})
    return set(_dereferenced(schema, here).get("properties", {}))


def _dereferenced(schema: dict[str, Any], here: Any) -> dict[str, Any]:
    while isinstance(here, dict) and "$ref" in here:
        here = schema["$defs"][here["$ref"].removeprefix("#/$defs/")]
    return here if isinstance(here, dict) else {}


def _faults_beyond_schema(body: Body) -> Iterator[SchemaFault]:
    """What the apiserver refuses and its schema does not describe; the schema checks the types."""
    metadata = _mapping(body.get("metadata"))
    if "metadata" in body and "name" not in metadata:
        yield SchemaFault(("metadata", "name"), "is required")
    else:
        pattern, longest = _NAMES.get(str(body.get("kind")), (_DNS_NAME, 253))
        yield from _name_faults(("metadata", "name"), metadata.get("name"), pattern, longest)
    if "namespace" in metadata:
        yield from _name_faults(("metadata", "namespace"), metadata["namespace"], _DNS_LABEL, 63)
    template = _mapping(_mapping(body.get("spec")).get("template"))
    for path, holder in (
        (("metadata",), metadata),
        (("spec", "template", "metadata"), _mapping(template.get("metadata"))),
    ):
        yield from _label_faults((*path, "labels"), _mapping(holder.get("labels")))
        yield from _annotation_faults((*path, "annotations"), _mapping(holder.get("annotations")))
    if _size(_mapping(body.get("data"))) > _MAX_OBJECT_BYTES:
        yield SchemaFault(("data",), "is larger than 1 MiB")


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _name_faults(
    path: Path, name: Any, pattern: re.Pattern[str], longest: int
) -> Iterator[SchemaFault]:
    if isinstance(name, str) and (len(name) > longest or not pattern.fullmatch(name)):
        yield SchemaFault(path, f"{name!r} is not a valid name")


def _label_faults(path: Path, labels: dict[Any, Any]) -> Iterator[SchemaFault]:
    for key, value in labels.items():
        if not _is_qualified(key):
            yield SchemaFault((*path, str(key)), "is not a valid label key")
        elif isinstance(value, str) and value and not _QUALIFIED_NAME.fullmatch(value):
            yield SchemaFault((*path, key), f"{value!r} is not a valid label value")


def _annotation_faults(path: Path, annotations: dict[Any, Any]) -> Iterator[SchemaFault]:
    for key in annotations:
        if not _is_qualified(key):
            yield SchemaFault((*path, str(key)), "is not a valid annotation key")
    if _size(annotations) > _MAX_ANNOTATION_BYTES:
        yield SchemaFault(path, "are larger than 256 KiB")


@lru_cache(maxsize=4096)
def _is_qualified(key: Any) -> bool:
    """The syntax of keys of labels and annotations: an optional DNS name, a slash, a name."""
    prefix, slash, name = str(key).rpartition("/")
    if slash and (len(prefix) > 253 or not _DNS_NAME.fullmatch(prefix)):
        return False
    return isinstance(key, str) and _QUALIFIED_NAME.fullmatch(name) is not None


def _size(values: dict[Any, Any]) -> int:
    return sum(len(str(key).encode()) + len(str(value).encode()) for key, value in values.items())
