"""Text that is itself a document: a dashboard, filebeat.yml, the server's settings."""

from __future__ import annotations

import json
import math
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 64
_MAX_VALUES = 200_000


def parsed_text(name: str, text: str) -> Any:
    """The data in a text by its file name, `*.json`, `*.yml` or `*.yaml`; else None.

    None as well for what cannot be compared by fields: a broken document, one with dates, keys
    that are not text or aliases that lead back to themselves, and one too deep or too large.
    """
    try:
        if name.endswith(".json"):
            data = json.loads(text)
        elif name.endswith((".yaml", ".yml")):
            data = yaml.load(text, _LOADER)
        else:
            return None
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    return data if _is_plain(data) else None


def _is_plain(data: Any) -> bool:
    """Whether data is what JSON can hold, within bounds. Aliases count as often as they are used."""
    pending, seen = [(data, 0)], 0
    while pending:
        here, depth = pending.pop()
        seen += 1
        if depth > _MAX_DEPTH or seen > _MAX_VALUES:
            return False
        if isinstance(here, dict):
            if not all(isinstance(key, str) for key in here):
                return False
            pending += [(inner, depth + 1) for inner in here.values()]
        elif isinstance(here, list):
            pending += [(inner, depth + 1) for inner in here]
        elif isinstance(here, float):
            if not math.isfinite(here):
                return False
        elif here is not None and not isinstance(here, (str, int)):
            return False
    return True
