"""Findings as text, JSON, GitHub annotations and SARIF 2.1.0.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0 and GitHub's workflow commands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import servestack
from servestack.claims import ADDRESS_ID, OBJECTS_ID
from servestack.review.findings import NAME_ID, SCHEMA_ID, Finding
from servestack.review.policy.registry import RULES
from servestack.words import counted

_GITHUB_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}
_COLORS = {"error": "\x1b[31m", "warning": "\x1b[33m", "note": "\x1b[36m"}


def to_text(findings: Sequence[Finding], environment: str, *, color: bool = False) -> str:
    """One paragraph per finding, then a line that counts them."""
    lines: list[str] = []
    for finding in findings:
        severity = finding.severity
        if color:
            severity = f"{_COLORS[severity]}{severity}\x1b[0m"  # type: ignore[assignment]
        field = f"{finding.field}: " if finding.field else ""
        lines.append(f"{finding.location}: {severity} {finding.id} {field}{finding.message}")
        if finding.hint:
            lines.append(f"    {finding.hint}")
    counts = {level: sum(f.severity == level for f in findings) for level in _COLORS}
    said = ", ".join(counted(count, level) for level, count in counts.items() if count)
    lines.append(f"{environment}: {said or 'no findings'}")
    return "\n".join(lines) + "\n"


def to_json(findings: Sequence[Finding], environment: str) -> str:
    """For programs. Format: docs/formats.md."""
    data = {
        "version": 1,
        "environment": environment,
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity,
                "model": finding.model,
                "file": finding.location.file.as_posix(),
                "line": finding.location.line,
                "column": finding.location.column,
                "field": finding.field,
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in findings
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def to_github(findings: Sequence[Finding], environment: str) -> str:
    """Workflow commands, which GitHub shows at the line in the pull request."""
    lines = []
    for finding in findings:
        place = finding.location
        head = f"file={place.file.as_posix()},line={place.line or 1},col={place.column or 1}"
        text = (
            f"{finding.message}. {finding.hint}".rstrip(". ") if finding.hint else finding.message
        )
        title = f"{finding.id} {finding.field} ({environment})"
        level = _GITHUB_LEVELS[finding.severity]
        lines.append(f"::{level} {head},title={_property(title)}::{_data(text)}")
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def to_sarif(findings: Sequence[Finding], environment: str) -> str:
    """A SARIF log with one run, whose rules are those of the policy."""
    rules = [
        (OBJECTS_ID, "error", "makes objects that no other environment makes"),
        (ADDRESS_ID, "error", "has a public address that it has in no other environment"),
        (SCHEMA_ID, "error", "is valid against the Kubernetes API"),
        (NAME_ID, "error", "shares no object's name with another model"),
    ]
    rules += [(rule.id, rule.severity, rule.title) for rule in RULES]
    index = {id: number for number, (id, _, _) in enumerate(rules)}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "servestack",
                        "version": servestack.__version__,
                        "rules": [
                            {
                                "id": id,
                                "shortDescription": {"text": f"The model {title}."},
                                "defaultConfiguration": {"level": severity},
                            }
                            for id, severity, title in rules
                        ],
                    }
                },
                "automationDetails": {"id": f"servestack/{environment}"},
                "results": [_result(finding, index[finding.id]) for finding in findings],
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    place = finding.location
    text = " ".join(filter(None, (f"{finding.field}:" if finding.field else "", finding.message)))
    return {
        "ruleId": finding.id,
        "ruleIndex": rule_index,
        "level": finding.severity,
        "message": {"text": f"{text}. {finding.hint}".rstrip() if finding.hint else text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": place.file.as_posix()},
                    "region": {"startLine": place.line or 1, "startColumn": place.column or 1},
                }
            }
        ],
    }
