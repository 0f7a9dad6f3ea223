"""A review as text for a terminal, JSON for programs, Markdown for a pull request."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from servestack.manifests.manifest import ENVIRONMENT_GROUP
from servestack.review.effects import CATEGORIES
from servestack.review.mask import masked_values
from servestack.review.summary import FieldReview, GroupReview, ObjectReview, Review
from servestack.words import counted

JSON_VERSION = 1
GITHUB_LIMIT = 65_536
"""Characters that GitHub accepts in a comment."""

_SIGNS = {"add": "+", "remove": "-", "change": "~", "move": "↕"}
_COLORS = {"add": "\x1b[32m", "remove": "\x1b[31m", "change": "\x1b[33m", "move": "\x1b[33m"}
_RED = "\x1b[1;31m"
_VALUE_LENGTH = 90


def to_text(review: Review, *, color: bool = False) -> str:
    """For a reader at a terminal: security first, then model → object → field with their effects."""
    if review.is_empty:
        return f"{review.environment}: {_nothing(review)}\n"
    lines = [
        _painted(f"security: {_title(group)}: {printable(words)}", _RED, color)
        for group, words in _security(review)
    ]
    lines += [""] if lines else []
    for group in review.groups:
        lines.append(_painted(_title(group), "\x1b[1m", color))
        lines += [f"  {printable(cause)}" for cause in group.causes]
        security = printable("; ".join(group.of_category("security")))
        others = [e.words for e in group.categorised if e.category != "security"]
        if security:
            lines.append(_painted(f"  → security: {security}", _RED, color))
        if others:
            lines.append(f"  → {printable('; '.join(others))}")
        for field in group.settings:
            lines.append(_field_line(field, _marked(field), "  ", color))
        for item in group.objects:
            lines += _object_lines(item, color)
        lines.append("")
    lines.append(f"{review.environment}: {_count(review)} against {review.against}")
    return "\n".join(lines) + "\n"


def _security(review: Review) -> Iterator[tuple[GroupReview, str]]:
    """What concerns security, by model."""
    for group in review.groups:
        for words in group.of_category("security"):
            yield group, words


def _nothing(review: Review) -> str:
    found = f"no changes against {review.against}"
    return f"{found} in what could be compared" if review.problems else found


def _count(review: Review) -> str:
    objects, settings = review.object_count, review.setting_count
    parts = [counted(objects, "object", "change")] if objects or not settings else []
    if settings:
        parts.append(counted(settings, "environment setting", "change"))
    return ", ".join(parts)


def _title(group: GroupReview) -> str:
    return "environment" if group.group == ENVIRONMENT_GROUP else group.group


def _object_lines(item: ObjectReview, color: bool) -> Iterator[str]:
    head = f"  {_SIGNS[item.operation]} {item.key}"
    if item.operation != "change":
        effect = _marked(item.fields[0])
        yield f"{_painted(head, _COLORS[item.operation], color)}  ({effect})"
        return
    yield _painted(head, _COLORS["change"], color)
    for field, marked in _with_marks(item.fields):
        yield _field_line(field, marked, "      ", color)


def _with_marks(fields: Iterable[FieldReview]) -> Iterator[tuple[FieldReview, str]]:
    """Each field of an object with its effects in one line. Several effects are told once."""
    told: set[str] = set()
    for field in fields:
        marked = _marked(field)
        yield field, "as above" if marked in told else marked
        if len(field.effects) > 1:
            told.add(marked)


def _field_line(field: FieldReview, marked: str, indent: str, color: bool) -> str:
    sign = _SIGNS[field.change.operation]
    text = f"{indent}{sign} {printable(field.change.field)}: {_values(field)}"
    return f"{_painted(text, _COLORS[field.change.operation], color)}  ({marked})"


def _marked(field: FieldReview) -> str:
    """The effects in one line; those that concern security come first, and are marked."""
    mark = "security: " if field.category == "security" else ""
    patch = f"; by the patch at {field.patched_at}" if field.patched_at else ""
    return printable(mark + field.effect + patch)


def _values(field: FieldReview) -> str:
    old, new = _shown(field)
    return " → ".join(value for value in (old, new) if value)


def _shown(field: FieldReview) -> tuple[str, str]:
    """Old and new value on one line each, empty where there is none; long ones where they differ."""
    change = field.change
    old, new = masked_values(change, field.vouched)
    before = "" if change.operation == "add" else _one_line(old)
    after = "" if change.operation == "remove" else _one_line(new)
    if before and after and len(before) + len(after) > 2 * _VALUE_LENGTH - 20:
        return _apart(before, after)
    return _short(before), _short(after)


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text.replace("\n", "⏎")) or '""'


def printable(text: str) -> str:
    """Control characters spelled out: a terminal would obey them."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def _short(text: str) -> str:
    return text if len(text) <= _VALUE_LENGTH else f"{text[: _VALUE_LENGTH - 1]}…"


def _apart(old: str, new: str) -> tuple[str, str]:
    """Two long texts, cut around the first difference."""
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
    data: dict[str, Any] = {
        "version": JSON_VERSION,
        "environment": review.environment,
        "against": review.against,
        "categories": list(review.categories),
        "models": [_group_data(group) for group in review.groups],
    }
    if review.problems:
        data["problems"] = [
            {"id": problem.id, "message": problem.message, "hint": problem.hint}
            for problem in review.problems
        ]
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _group_data(group: GroupReview) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": "" if group.group == ENVIRONMENT_GROUP else group.group,
        "causes": list(group.causes),
        "effects": list(group.effects),
        "effectsByCategory": {
            category: list(words)
            for category in CATEGORIES
            if (words := group.of_category(category))
        },
    }
    if group.settings:
        data["settings"] = [_field_data(field) for field in group.settings]
    return data | {"objects": [_object_data(item) for item in group.objects]}


def _object_data(item: ObjectReview) -> dict[str, Any]:
    return {
        "kind": item.key.kind,
        "name": item.key.name,
        "namespace": item.key.namespace,
        "operation": item.operation,
        "fields": [_field_data(field) for field in item.fields if field.change.path],
        "effect": item.fields[0].effect if item.operation != "change" else "",
        "category": item.category,
    }


def _field_data(field: FieldReview) -> dict[str, Any]:
    old, new = masked_values(field.change, field.vouched)
    data: dict[str, Any] = {"path": field.change.field, "operation": field.change.operation}
    if old is not None:
        data["old"] = old
    if new is not None:
        data["new"] = new
    if field.changed_by is not None:
        data["changedBy"] = {"manager": field.changed_by.manager, "time": field.changed_by.time}
    if field.patched_at is not None:
        data["patchedAt"] = str(field.patched_at)
    return data | {"effect": field.effect, "category": field.category}


def to_github(review: Review) -> str:
    """Markdown for a comment on a pull request, cut to what GitHub accepts."""
    problems = [f"- **{p.id}** {in_markdown(p.message)}" for p in review.problems]
    if review.is_empty:
        return "\n".join([f"**{review.environment}**: {_nothing(review)}", *problems]) + "\n"
    head = [f"### {review.environment}: {_count(review)}", ""]
    head += [*problems, ""] if problems else []
    text = _with_security("\n".join([*head, ""]), review)
    text += "| model | objects | effect |\n| --- | --- | --- |\n"
    text, left = _filled(text, map(_row, review.groups), GITHUB_LIMIT // 2)
    if left:
        text += f"\n…and {counted(left, 'more model')}; `servestack diff` shows them all.\n"
    text, left = _filled(text, map(_details, review.groups), GITHUB_LIMIT - _NOTE_LENGTH)
    if left:
        text += f"\n…and the details of {left} more; `servestack diff` shows them all.\n"
    return text


def _with_security(text: str, review: Review) -> str:
    """The text, with an alert that GitHub shows in red, if anything concerns security."""
    lines = [f"> - **{_title(g)}**: {in_markdown(words)}\n" for g, words in _security(review)]
    if not lines:
        return text
    text += "> [!CAUTION]\n> **Security**\n"
    text, left = _filled(text, lines, GITHUB_LIMIT // 4)
    if left:
        text += f"> - …and {left} more; `servestack diff` shows them all.\n"
    return f"{text}\n"


_NOTE_LENGTH = 200
"""Room for the sentence that says what was cut."""


def _filled(text: str, parts: Iterable[str], limit: int) -> tuple[str, int]:
    """The text with every part that fits below the limit, and the number of those that do not."""
    left = 0
    for part in parts:
        if len(text) + len(part) > limit:
            left += 1
        else:
            text += part
    return text, left


def _row(group: GroupReview) -> str:
    effects = in_markdown("; ".join(group.effects))
    return f"| {_title(group)} | {len(group.objects)} | {effects} |\n"


def in_markdown(text: str) -> str:
    """Text that stays text: no markup, no columns, and nobody is mentioned."""
    escaped = html.escape(printable(text), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", escaped).replace("@", "@<!-- -->")


def _details(group: GroupReview) -> str:
    lines = ["", "<details>", f"<summary>{_title(group)}</summary>"]
    lines += ["", *(f"- `{fenced(cause)}`" for cause in group.causes)] if group.causes else []
    lines += ["", "```diff"]
    for field in group.settings:
        lines += _field_in_details(field, _marked(field))
    for item in group.objects:
        if item.operation != "change":
            sign = {"add": "+", "remove": "-"}[item.operation]
            lines.append(f"{sign} {item.key}  ({fenced(_marked(item.fields[0]))})")
            continue
        lines.append(f"# {item.key}")
        for field, marked in _with_marks(item.fields):
            lines += _field_in_details(field, marked)
    return "\n".join([*lines, "```", "", "</details>", ""])


def _field_in_details(field: FieldReview, marked: str) -> Iterator[str]:
    yield f"@@ {fenced(field.change.field)} @@ {fenced(marked)}"
    values = zip("-+", _shown(field), strict=True)
    yield from (f"{mark} {fenced(value)}" for mark, value in values if value)


def fenced(text: str) -> str:
    """Text that cannot end the code block around it."""
    return printable(text).replace("`", "ʼ")
