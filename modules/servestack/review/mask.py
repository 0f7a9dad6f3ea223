"""Values that a report must not show."""

from __future__ import annotations

import math
import re
from typing import Any

from servestack.review.diff import Change, Path
from servestack.spec.secrets import SECRET_NAME, find_secrets

MASK = "(masked)"
_HOLDERS = {"env", "data", "args", "command", "annotations"}
"""Below these, users choose the names, and a name can show that its value is a secret."""
_REFERENCES = {"secretName", "secret", "secretKeyRef", "imagePullSecrets", "secretRef"}
"""Below these stands the name of a Secret, never its content."""
_LABELS = {"name", "key", "file", "header"}
"""Fields that say which secret is meant, or where it is read from."""

_PLACEHOLDER = re.compile(r"\$[({][A-Za-z_][A-Za-z0-9_.]*[)}]")
_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)[^/\s:@]+:[^/\s]+(?=@)")
_ASSIGNED = re.compile(r"(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]+)[\"']?\s*[=:]\s*")
_ASSIGNED_VALUE = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[^\n]+")


def masked_values(change: Change) -> tuple[Any, Any]:
    """The old and new value as a report may show them. It stays visible that they differ."""
    if change.object.kind == "Secret" and _is_content_of_secret(change.path):
        old, new = (None if value is None else MASK for value in (change.old, change.new))
    else:
        secret = _is_secret(change.path)
        old, new = masked(change.old, secret=secret), masked(change.new, secret=secret)
    if change.operation == "change" and MASK in repr(old) and repr(old) == repr(new):
        new = f"{new} changed" if isinstance(new, str) else f"{MASK} changed"
    return old, new


def _is_content_of_secret(path: Path) -> bool:
    """The annotations too: kubectl keeps a copy of the data there."""
    return path[:1] in ((), ("data",), ("stringData",)) or path[:2] == ("metadata", "annotations")


def _is_secret(path: Path) -> bool:
    names = [str(part) for part in path]
    holder = next((index for index, name in enumerate(names) if name in _HOLDERS), len(names))
    secret = False
    for name in names[holder + 1 :]:
        secret = _is_secret_below(name, secret)
    return secret


def _is_secret_below(name: str, secret: bool) -> bool:
    """Whether the value under a name is a secret. `secret`: the value around it already was."""
    if name in _REFERENCES or (secret and name in _LABELS):
        return False
    return secret or _tells_secret(name)


def _tells_secret(name: str) -> bool:
    return SECRET_NAME.search(name.rpartition("/")[2]) is not None


def masked(value: Any, *, secret: bool = False) -> Any:
    """A value as JSON can hold it, with MASK for every part that looks like a credential.

    `secret` says that the value's name already shows that it is one.
    """
    if isinstance(value, dict):
        if value.get("kind") == "Secret":
            return {
                str(key): MASK if key in ("data", "stringData") else masked(inner)
                for key, inner in value.items()
            }
        named = isinstance(value.get("name"), str) and _tells_secret(value["name"])
        return {
            str(key): masked(
                inner,
                secret=_is_secret_below(str(key), secret) or (key == "value" and named),
            )
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner, secret=secret) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _masked_text(value, secret)
    if secret:
        return MASK
    return value if isinstance(value, (int, float)) and math.isfinite(value) else str(value)


def _masked_text(text: str, secret: bool) -> str:
    if _PLACEHOLDER.fullmatch(text) or not text:
        return text
    if secret:
        return MASK
    text = _PASSWORD_IN_ADDRESS.sub(MASK, text)
    if next(find_secrets(text), None) is not None:
        return MASK
    return _without_assignments(text)


def _without_assignments(text: str) -> str:
    """Mask `--password=…` and `password: …` within a text; references to variables stay."""
    pieces, done = [], 0
    for match in _ASSIGNED.finditer(text):
        if match.start() < done or not _tells_secret(match[1]):
            continue
        value = _ASSIGNED_VALUE.match(text, match.end())
        if value and not _PLACEHOLDER.fullmatch(value[0]):
            pieces += [text[done : match.end()], MASK]
            done = value.end()
    return "".join([*pieces, text[done:]])
