"""A review as text for a terminal, JSON for programs, Markdown for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from servestack.build.manifest import ENVIRONMENT_GROUP
from servestack.review.changes import Change
from servestack.review.diff import FieldReview, GroupReview, ObjectReview, Review
from servestack.review.mask import masked_values

JSON_VERSION = 1
GITHUB_LIMIT = 65_536
"""Characters that GitHub accepts in a comment."""

_SIGNS = {"add": "+", "remove": "-", "change": "~", "move": "↕"}
_COLORS = {"add": "\x1b[32m", "remove": "\x1b[31m", "change": "\x1b[33m", "move": "\x1b[33m"}
_VALUE_LENGTH = 90


def to_text(review: Review, *, color: bool = False) -> str:
    """For a reader at a terminal: model → object → field, effect at the end of the line."""
    if review.is_empty:
        return f"{review.environment}: no changes against {review.against}\n"
    lines: list[str] = []
    for group in review.groups:
        lines.append(_painted(_title(group), "\x1b[1m", color))
        lines += [f"  {cause}" for cause in group.causes]
        lines.append(f"  → {'; '.join(group.effects)}")
        for item in group.objects:
            lines += _object_lines(item, color)
        lines.append("")
    noun = "object" if review.object_count == 1 else "objects"
    lines.append(
        f"{review.environment}: {review.object_count} {noun} change against {review.against}"
    )
    return "\n".join(lines) + "\n"


def _title(group: GroupReview) -> str:
    return "environment" if group.group == ENVIRONMENT_GROUP else group.group


def _object_lines(item: ObjectReview, color: bool) -> Iterator[str]:
    head = f"  {_SIGNS[item.operation]} {item.key}"
    if item.operation != "change":
        yield f"{_painted(head, _COLORS[item.operation], color)}  ({item.fields[0].effect})"
        return
    yield _painted(head, _COLORS["change"], color)
    for field in item.fields:
        sign = _SIGNS[field.change.operation]
        text = f"      {sign} {field.change.field}: {_values(field.change)}"
        yield f"{_painted(text, _COLORS[field.change.operation], color)}  ({field.effect})"


def _values(change: Change) -> str:
    old, new = _shown(change)
    return " → ".join(value for value in (old, new) if value)


def _shown(change: Change) -> tuple[str, str]:
    """Old and new value on one line each, empty where there is none; long ones where they differ."""
    old, new = masked_values(change)
    before = "" if change.operation == "add" else _one_line(old)
    after = "" if change.operation == "remove" else _one_line(new)
    if before and after and len(before) + len(after) > 2 * _VALUE_LENGTH - 20:
        return _apart(before, after)
    return _short(before), _short(after)


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\n", "⏎") or '""'


def _short(text: str) -> str:
    return text if len(text) <= _VALUE_LENGTH else f"{text[: _VALUE_LENGTH - 1]}…"


def _apart(old: str, new: str) -> tuple[str, str]:
    """Two long texts, cut to where they differ."""
    start = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    begin = max(0, start - 30)
    lead = "…" if begin else ""
    return lead + _short(old[begin:]), lead + _short(new[begin:])


def _painted(text: str, code: str, color: bool) -> str:
    return f"{code}{text}\x1b[0m" if color else text


def to_json(review: Review) -> str:
    """For programs. Format: docs/formats.md, `version` rises when it changes."""
    data = {
        "version": JSON_VERSION,
        "environment": review.environment,
        "against": review.against,
        "models": [
            {
                "name": "" if group.group == ENVIRONMENT_GROUP else group.group,
                "causes": list(group.causes),
                "effects": list(group.effects),
                "objects": [_object_data(item) for item in group.objects],
            }
            for group in review.groups
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _object_data(item: ObjectReview) -> dict[str, Any]:
    return {
        "kind": item.key.kind,
        "name": item.key.name,
        "namespace": item.key.namespace,
        "operation": item.operation,
        "fields": [_field_data(field) for field in item.fields if field.change.path],
        "effect": item.fields[0].effect if item.operation != "change" else "",
    }


def _field_data(field: FieldReview) -> dict[str, Any]:
    old, new = masked_values(field.change)
    data: dict[str, Any] = {"path": field.change.field, "operation": field.change.operation}
    if old is not None:
        data["old"] = old
    if new is not None:
        data["new"] = new
    return data | {"effect": field.effect}


def to_github(review: Review) -> str:
    """Markdown for a comment on a pull request, cut to what GitHub accepts."""
    if review.is_empty:
        return f"**{review.environment}**: no changes against {review.against}\n"
    lines = [f"### {review.environment}: {review.object_count} objects change", ""]
    lines += ["| model | objects | effect |", "| --- | --- | --- |"]
    for group in review.groups:
        effects = "; ".join(group.effects).replace("|", "\\|")
        lines.append(f"| {_title(group)} | {len(group.objects)} | {effects} |")
    text = "\n".join(lines) + "\n"
    for index, group in enumerate(review.groups):
        details = _details(group)
        if len(text) + len(details) > GITHUB_LIMIT - 200:
            left = len(review.groups) - index
            return f"{text}\n…and the details of {left} more; `servestack diff` shows them all.\n"
        text += details
    return text


def _details(group: GroupReview) -> str:
    lines = ["", "<details>", f"<summary>{_title(group)}</summary>", ""]
    lines += [f"- `{cause.replace('`', 'ʼ')}`" for cause in group.causes]
    lines += ["", "```diff"]
    for item in group.objects:
        sign = {"add": "+", "remove": "-"}.get(item.operation, "#")
        lines.append(f"{sign} {item.key}")
        for field in item.fields if item.operation == "change" else ():
            lines.append(f"@@ {field.change.field} @@ {field.effect}")
            values = zip("-+", _shown(field.change), strict=True)
            lines += [f"{mark} {value.replace('```', 'ʼʼʼ')}" for mark, value in values if value]
    return "\n".join([*lines, "```", "", "</details>", ""])
