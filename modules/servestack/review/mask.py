"""Values that a report must not show."""

from __future__ import annotations

from typing import Any

from servestack.review.changes import Change
from servestack.spec.secrets import SECRET_NAME, find_secrets

MASK = "(masked)"
_REFERENCES = {"secretName", "secret", "secretKeyRef", "imagePullSecrets", "secretRef"}


def masked_values(change: Change) -> tuple[Any, Any]:
    """Old and new value as a report may show them; that they differ stays visible."""
    if _is_secret(change):
        return (
            None if change.old is None else MASK,
            None if change.new is None else (MASK if change.old is None else f"{MASK} changed"),
        )
    return masked(change.old), masked(change.new)


def _is_secret(change: Change) -> bool:
    if change.object.kind == "Secret":
        return not change.path or change.path[0] in ("data", "stringData")
    names = [part for part in change.path if isinstance(part, str)]
    if any(name in _REFERENCES for name in names) or not names or names[0] == "metadata":
        return False
    about_env = "env" in names or "data" in names or "args" in names
    return (
        about_env
        and names[-1] not in ("name", "key")
        and any(SECRET_NAME.search(name) for name in names[2:])
    )


def masked(value: Any) -> Any:
    """A value with every part that looks like a credential replaced."""
    if isinstance(value, dict):
        name = value.get("name")
        if isinstance(name, str) and "value" in value and SECRET_NAME.search(name):
            return value | {"value": MASK}
        if value.get("kind") == "Secret":
            return {k: MASK if k in ("data", "stringData") else v for k, v in value.items()}
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str) and next(find_secrets(value), None) is not None:
        return MASK
    return value
