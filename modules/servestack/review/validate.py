"""Manifests held against the schemas of the Kubernetes API and the CRDs, offline and strictly."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from servestack.build.manifest import Body

Path = tuple[str | int, ...]

_DNS_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_DNS_LABEL = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
_LABEL_KEY = re.compile(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_MAX_ANNOTATION_BYTES = 256 * 1024
_MAX_OBJECT_BYTES = 1024 * 1024


class SchemaFault(tuple[Path, str]):
    """(path in the manifest, what is wrong in words)."""

    __slots__ = ()

    @property
    def path(self) -> Path:
        return self[0]

    @property
    def message(self) -> str:
        return self[1]


def validate(body: Body) -> list[SchemaFault]:
    """Every fault of a manifest, in the order of its fields; empty where it is valid."""
    kind = str(body.get("kind", ""))
    validator = _validator(kind)
    if validator is None:
        return [SchemaFault(((), f"kind {kind!r} is not one that servestack knows the schema of"))]
    faults = list(_metadata_faults(body))
    if not validator.is_valid(body):
        faults += [_in_words(error, kind) for error in validator.iter_errors(body)]
    return faults


@cache
def load_schema(kind: str) -> dict[str, Any] | None:
    """The bundled schema of a kind; None where there is none."""
    file = files("servestack.review") / "schemas" / f"{kind.lower()}.json"
    if not re.fullmatch(r"[A-Za-z]+", kind) or not file.is_file():
        return None
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


@cache
def _validator(kind: str) -> Any:
    schema = load_schema(kind)
    return None if schema is None else jsonschema_rs.validator_for(schema)


def _in_words(error: Any, kind: str) -> SchemaFault:
    path = tuple(error.instance_path)
    message = str(error.message)
    unknown = re.match(
        r"Additional properties are not allowed \((.*) (?:was|were) unexpected\)", message
    )
    if unknown:
        return SchemaFault((path, _unknown_field(kind, path, unknown[1])))
    required = re.match(r'"(.*)" is a required property', message)
    if required:
        return SchemaFault(((*path, required[1]), "is required"))
    return SchemaFault((path, message if len(message) <= 300 else f"{message[:300]}…"))


def _unknown_field(kind: str, path: Path, names: str) -> str:
    wanted = re.findall(r"'([^']*)'", names)
    known = sorted(_properties_at(load_schema(kind) or {}, path))
    near = [match for name in wanted for match in get_close_matches(name, known, n=1)]
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown field {', '.join(wanted)}{hint}"


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


def _metadata_faults(body: Body) -> list[SchemaFault]:
    """What the apiserver refuses in metadata, and its schema does not say."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return []
    faults = []
    name = metadata.get("name", "")
    pattern, longest = (_DNS_LABEL, 63) if body.get("kind") == "Service" else (_DNS_NAME, 253)
    if not isinstance(name, str) or not pattern.match(name) or len(name) > longest:
        faults.append(SchemaFault((("metadata", "name"), f"{name!r} is not a valid name")))
    for path, labels in _label_maps(body):
        for key, value in labels.items():
            if not _LABEL_KEY.match(key):
                faults.append(SchemaFault(((*path, key), "is not a valid label key")))
            elif not isinstance(value, str) or not _LABEL_VALUE.match(value):
                faults.append(SchemaFault(((*path, key), f"{value!r} is not a valid label value")))
    annotations = metadata.get("annotations") or {}
    if sum(len(str(k)) + len(str(v)) for k, v in annotations.items()) > _MAX_ANNOTATION_BYTES:
        faults.append(SchemaFault((("metadata", "annotations"), "are larger than 256 KiB")))
    data = body.get("data")
    if (
        isinstance(data, dict)
        and sum(len(str(v).encode()) for v in data.values()) > _MAX_OBJECT_BYTES
    ):
        faults.append(SchemaFault((("data",), "is larger than 1 MiB")))
    return faults


def _label_maps(body: Body) -> list[tuple[Path, dict[str, Any]]]:
    template = body.get("spec", {}).get("template") if isinstance(body.get("spec"), dict) else None
    found: list[tuple[Path, dict[str, Any]]] = []
    for path, holder in ((("metadata",), body), (("spec", "template", "metadata"), template)):
        labels = holder.get("metadata", {}).get("labels") if isinstance(holder, dict) else None
        if isinstance(labels, dict):
            found.append(((*path, "labels"), labels))
    return found
