"""Pulumi's property values as plain data: whole numbers as int, secrets marked or unwrapped."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

# The keys by which Pulumi marks special values, from its sdk/go/common/resource/sig.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Data = dict[str, Any]


def read(struct: Struct) -> Data:
    """A protobuf struct as data, secrets still marked."""
    data: Data = _whole_numbers(json_format.MessageToDict(struct))
    return data


def write(data: Data) -> Struct:
    """Data as a protobuf struct."""
    return json_format.ParseDict(data, Struct())


def unwrapped(value: Any) -> Any:
    """Data without the marks of secrets: what the cluster is to get."""
    if isinstance(value, dict):
        if _is_secret(value):
            return unwrapped(value["value"])
        return {key: unwrapped(inner) for key, inner in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [unwrapped(inner) for inner in value]
    return value


def as_declared(declared: Any, live: Any) -> Any:
    """The live object in the shape of what was declared: defaults that others filled in are not
    drift, fields that were changed or taken away are. What was secret stays marked as such."""
    if _is_secret(declared):
        return _secret(as_declared(declared["value"], live))
    if isinstance(declared, dict) and isinstance(live, dict):
        return {key: as_declared(declared[key], live[key]) for key in declared if key in live}
    if isinstance(declared, list) and isinstance(live, list) and len(declared) == len(live):
        return [as_declared(mine, theirs) for mine, theirs in zip(declared, live, strict=True)]
    # Of another shape, nobody can say which part of it is the secret one.
    return live if unwrapped(declared) == declared else _secret(live)


def with_written_strings(live: Data) -> Data:
    """The API answers a Secret's `stringData` as base64 in `data`: put it back beside it."""
    if live.get("kind") != "Secret":
        return live
    data = live.get("data", {})
    return live | {
        "stringData": {key: b64decode(data[key]).decode(errors="replace") for key in data}
    }


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(_SIGNATURE) == _SECRET


def _secret(value: Any) -> Data:
    return {_SIGNATURE: _SECRET, "value": value}


def has_unknowns(value: Any) -> bool:
    """Whether a preview left something open."""
    if isinstance(value, dict):
        return any(has_unknowns(inner) for inner in value.values())
    if isinstance(value, list):
        return any(has_unknowns(inner) for inner in value)
    return bool(value == UNKNOWN)


def changed_paths(old: Any, new: Any, path: str = "") -> dict[str, str]:
    """Path → add, delete or update, in Pulumi's notation for detailed diffs."""
    if old == new:
        return {}
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, str] = {}
        for key in sorted({*old, *new}):
            here = f'{path}["{key}"]' if not key.isidentifier() else f"{path}.{key}".lstrip(".")
            if key not in old:
                found[here] = "add"
            elif key not in new:
                found[here] = "delete"
            else:
                found |= changed_paths(old[key], new[key], here)
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        found = {}
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            found |= changed_paths(before, after, f"{path}[{index}]")
        return found
    return {path: "update"}


def _whole_numbers(value: Any) -> Any:
    """Protobuf knows only floating numbers; Kubernetes wants whole ones."""
    if isinstance(value, dict):
        return {key: _whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
