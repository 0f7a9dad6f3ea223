"""The history of a model as text for people and as JSON for programs (docs/formats.md)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from servestack.resolve.lock_lines import Line, version_words
from servestack.review.reports import printable
from servestack.versions.commits import Commit
from servestack.versions.history import History, Period
from servestack.words import lasting

_SHORT = 12


def short(commit: Commit) -> str:
    """A commit's id as people write it."""
    return commit.id[:_SHORT]


def moment(time: datetime) -> str:
    """A time in UTC, to the minute."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def history_text(history: History, now: datetime) -> str:
    """One paragraph for each period, the newest first."""
    lines = []
    for period in history.periods:
        until = f"{moment(period.until.time)}" if period.until else "now"
        older = "or longer, " if period.is_cut else ""
        named = f" (as {period.model})" if period.model != history.model else ""
        lines.append(
            f"{version_words(period.lines)}{named}   {moment(period.since.time)} to {until}   "
            f"{older}{lasting(period.lasted(now))}"
        )
        lines.append(f"  commit {short(period.since)}   {period.since.subject}")
        lines.append(f"  author {period.author}")
        if period.merged_by:
            lines.append(f"  merged by {period.merged_by}")
        lines += [f"  {key} {who}" for key, who in period.approvals]
        for line in period.lines:
            facts = [f"run {line.run_id}" if line.run_id else "", f"sha256 {line.sha256}"]
            own = f"{line.name}: " if len(period.lines) > 1 else ""
            lines.append(f"  {own}{'   '.join(fact for fact in facts if fact)}")
        if period.until:
            lines.append(f"  ended by {short(period.until)}   {period.until.subject}")
    return "".join(f"{printable(line)}\n" for line in lines)


def history_json(history: History, now: datetime) -> str:
    """For programs. Times are in UTC, ISO 8601; `seconds` are how long a version lasted."""
    data = {
        "version": 1,
        "model": history.model,
        "environment": history.environment,
        "isCut": history.is_cut,
        "periods": [_period_data(period, now) for period in history.periods],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _period_data(period: Period, now: datetime) -> dict[str, Any]:
    return {
        "model": period.model,
        "artifacts": [artifact_data(line) for line in period.lines],
        "since": iso(period.since.time),
        "until": iso(period.until.time) if period.until else None,
        "seconds": int(period.lasted(now).total_seconds()),
        "isCut": period.is_cut,
        **commits_data(period),
        "endedBy": period.until.id if period.until else None,
    }


def commits_data(period: Period) -> dict[str, Any]:
    """The commit that brought a version, and its people."""
    return {
        "commit": period.since.id,
        "subject": period.since.subject,
        "author": period.author,
        "mergedBy": period.merged_by or None,
        "change": period.change.id if period.change else None,
        "approvals": [{"trailer": key, "by": who} for key, who in period.approvals],
    }


def artifact_data(line: Line) -> dict[str, Any]:
    """An artifact's facts; those that the registry does not say are left out."""
    facts = {
        "version": line.version,
        "runId": line.run_id,
        "source": line.source,
        "sha256": line.sha256,
    }
    return {"name": line.name} | {key: value for key, value in facts.items() if value}


def iso(time: datetime) -> str:
    """A time in UTC, ISO 8601, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
