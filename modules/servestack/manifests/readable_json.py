"""JSON for a reviewer: a value that fits on one line is written on one line."""

from __future__ import annotations

import json
from typing import Any

_LINE_LENGTH = 96


def readable_json(value: Any, indent: str = "") -> str:
    """A value as JSON, without a newline at its end. `indent` is the indentation of its line."""
    line = json.dumps(value, ensure_ascii=False)
    fits = bool(indent) and len(indent) + len(line) <= _LINE_LENGTH
    if fits or not value or not isinstance(value, (dict, list)):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        items = [
            f"{deeper}{json.dumps(key, ensure_ascii=False)}: {readable_json(inner, deeper)}"
            for key, inner in value.items()
        ]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    items = [f"{deeper}{readable_json(item, deeper)}" for item in value]
    return "[\n" + ",\n".join(items) + f"\n{indent}]"
