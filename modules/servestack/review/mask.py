"""Values that a report must not show."""

from __future__ import annotations

import math
from typing import Any

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.review.diff import Change, Path
from servestack.secrets.names import is_placeholder, is_public, tells_secret
from servestack.secrets.search import MASK, is_argument_of_secret, masked_value, secret_under_name

_HOLDERS = {"env", "data", "args", "command", "annotations", "labels"}
"""Below these, users choose the names, and a name can show that its value is a secret."""
_REFERENCES = {"secretName", "secret", "secretKeyRef", "imagePullSecrets", "secretRef"}
"""Below these stands the name of a Secret, never its content."""
_LABELS = {"name", "key", "file", "header"}
"""Fields that say which secret is meant, or where it is read from."""

Vouched = frozenset[str]
"""Names of variables whose values are public, as their owner says."""


def vouched_in(body: Body | None) -> Vouched:
    """The variables that an object calls public, in the annotation that the workload's builder sets."""
    annotations = ((body or {}).get("metadata") or {}).get("annotations") or {}
    return frozenset(filter(None, str(annotations.get(names.PUBLIC_VARIABLES, "")).split(",")))


def masked_values(
    change: Change, vouched: tuple[Vouched, Vouched] = (frozenset(), frozenset())
) -> tuple[Any, Any]:
    """The old and new value as a report may show them. It stays visible that they differ.

    `vouched` are the variables that the old and the new object call public.
    """
    if change.object.kind == "Secret" and _is_content_of_secret(change.path):
        old, new = (None if value is None else MASK for value in (change.old, change.new))
    else:
        old, new = (
            masked_at(change.path, value, public)
            for value, public in zip((change.old, change.new), vouched, strict=True)
        )
    if change.operation == "change" and MASK in repr(old) and repr(old) == repr(new):
        new = f"{new} changed" if isinstance(new, str) else f"{MASK} changed"
    return old, new


def masked_at(path: Path, value: Any, vouched: Vouched = frozenset()) -> Any:
    """The value of the field at a path, whose names may show that it is a secret."""
    if len(path) > 1 and path[-1] == "value" and path[-2] in vouched:
        return value
    of_variable = path[-1:] == ("value",) and "env" in path[:-2]
    name = str(path[-2]) if of_variable else ""
    return masked(value, secret=_is_secret(path), name=name, vouched=vouched)


def _is_content_of_secret(path: Path) -> bool:
    """The annotations too: kubectl keeps a copy of the data there."""
    return path[:1] in ((), ("data",), ("stringData",)) or path[:2] == ("metadata", "annotations")


def _is_secret(path: Path) -> bool:
    parts = [str(part) for part in path]
    holder = next((index for index, name in enumerate(parts) if name in _HOLDERS), len(parts))
    secret = False
    for name in parts[holder + 1 :]:
        secret = _is_secret_below(name, secret)
    return secret


def _is_secret_below(name: str, secret: bool) -> bool:
    """Whether the value under a name is a secret. `secret`: the value around it already was."""
    if name in _REFERENCES or (secret and name in _LABELS):
        return False
    return secret or tells_secret(name)


def masked(
    value: Any, *, secret: bool = False, name: str = "", vouched: Vouched = frozenset()
) -> Any:
    """A value as JSON can hold it, with MASK for every part that looks like a credential.

    `secret` says that the value's place already shows that it is one, `name` is the variable whose
    value it is. The values of variables that
    are `vouched` for are shown, and so is one that says `public: true` itself, as a spec does.
    """
    if isinstance(value, dict):
        return _masked_mapping(value, secret, vouched)
    if isinstance(value, list):
        return [
            MASK
            if isinstance(item, str) and is_argument_of_secret(before, item)
            else masked(item, secret=secret, vouched=vouched)
            for before, item in zip([None, *value], value, strict=False)
        ]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _masked_text(value, secret, name)
    return value if isinstance(value, (int, float)) and math.isfinite(value) else str(value)


def _masked_mapping(value: dict[Any, Any], secret: bool, vouched: Vouched) -> dict[str, Any]:
    if value.get("kind") == "Secret":
        return {
            str(key): MASK if key in ("data", "stringData") else masked(inner)
            for key, inner in value.items()
        }
    name = value.get("name")
    public = (isinstance(name, str) and name in vouched) or value.get("public") is True
    named = isinstance(name, str) and tells_secret(name)
    return {
        str(key): inner
        if public and key == "value"
        else masked(
            inner,
            secret=_is_secret_below(str(key), secret) or (key == "value" and named),
            name=name if key == "value" and isinstance(name, str) else "",
            vouched=vouched,
        )
        for key, inner in value.items()
    }


def _masked_text(text: str, secret: bool, name: str) -> str:
    if is_placeholder(text):
        return text
    if secret and not is_public(text):
        return MASK
    shown = masked_value(text)
    return MASK if shown == text and name and secret_under_name(name, text) else shown
