"""JSON for a reviewer: a value that fits on one line is written on one line."""

from __future__ import annotations

import json
from typing import Any

_LINE_LENGTH = 96
_encode = json.JSONEncoder(ensure_ascii=False).encode


def readable_json(value: Any, indent: str = "") -> str:
    """A value as JSON, without a newline at its end. `indent` is the indentation of its line."""
    return _laid_out(value, indent)[1]


def _laid_out(value: Any, indent: str) -> tuple[str, str]:
    """A value as JSON on one line, and as it is written at this indentation."""
    if not value or not isinstance(value, (dict, list)):
        line = _encode(value)
        return line, line
    deeper = indent + "  "
    if isinstance(value, dict):
        heads = [_encode(key) + ": " for key in value]
        inner = [_laid_out(one, deeper) for one in value.values()]
        begin, end = "{", "}"
    else:
        heads = [""] * len(value)
        inner = [_laid_out(one, deeper) for one in value]
        begin, end = "[", "]"
    line = (
        begin + ", ".join([head + flat for head, (flat, _) in zip(heads, inner, strict=True)]) + end
    )
    if indent and len(indent) + len(line) <= _LINE_LENGTH:
        return line, line
    items = [f"{deeper}{head}{text}" for head, (_, text) in zip(heads, inner, strict=True)]
    return line, f"{begin}\n" + ",\n".join(items) + f"\n{indent}{end}"
