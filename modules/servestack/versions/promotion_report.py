"""A promotion's evidence: as text, as JSON, and as Markdown for its pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from servestack.resolve.lock_lines import Line, Lines, version_words
from servestack.review.mask import masked
from servestack.review.reports import GITHUB_LIMIT, fenced, in_markdown, printable
from servestack.spec.observability import Slo
from servestack.versions.history_report import artifact_data, commits_data, iso, moment, short
from servestack.versions.promotion import Promotion, Report
from servestack.versions.slo import Measured
from servestack.words import lasting

_NOT_ASKED = "not asked: --prometheus URL measures it"
_REPORT_LIMIT = 8_000
"""Characters of a report in Markdown, so that several leave room for the rest."""


def promotion_text(promotion: Promotion, *, done: bool) -> str:
    """For people at a terminal. `done` says whether the lock was written."""
    lines = [f"{_title(promotion)}{'' if done else ' (nothing written)'}"]
    lines += [f"  {name}   {value}" for name, value in _facts(promotion)]
    for report in promotion.reports:
        lines.append(f"  report {report.file}")
        lines += [f"    {name}: {value}" for name, value in _summary(report)]
    return "".join(f"{printable(line)}\n" for line in lines)


def promotion_github(promotion: Promotion) -> str:
    """Markdown for a pull request, within what GitHub accepts."""
    lines = [f"### {in_markdown(_title(promotion))}", "", "| | |", "| --- | --- |"]
    lines += [
        f"| {in_markdown(name)} | {in_markdown(value)} |" for name, value in _facts(promotion)
    ]
    text = "\n".join([*lines, ""])
    for report in promotion.reports:
        text += _details(report)
    return text if len(text) <= GITHUB_LIMIT else f"{text[: GITHUB_LIMIT - 2]}…\n"


def promotion_json(promotion: Promotion, *, done: bool) -> str:
    """For programs. Format: docs/formats.md."""
    carried = promotion.carried
    data = {
        "version": 1,
        "model": promotion.target.name,
        "from": promotion.source,
        "to": promotion.target.environment,
        "written": done,
        "alreadyThere": carried.is_same,
        "before": [artifact_data(line) for line in carried.before],
        "after": [artifact_data(line) for line in carried.after],
        "readdressed": [
            {"name": name, "from": old, "to": new} for name, old, new in carried.readdressed
        ],
        "baked": {
            "hours": round(promotion.bake.total_seconds() / 3600, 2),
            "since": iso(promotion.period.since.time),
            "isCut": promotion.is_cut,
            **commits_data(promotion.period),
        },
        "slo": _measured_data(promotion.measured),
        "effects": list(carried.effects),
        "notes": list(promotion.notes),
        "reports": [{"file": each.file, "data": masked(each.data)} for each in promotion.reports],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _title(promotion: Promotion) -> str:
    versions = moved(promotion.carried.before, promotion.carried.after)
    return (
        f"{promotion.target.name}: {promotion.source} → {promotion.target.environment}, {versions}"
    )


def moved(before: Lines, after: Lines) -> str:
    """The change of version in words."""
    if not before:
        return f"version {version_words(after)}, the first"
    return f"version {version_words(before)} → {version_words(after)}"


def _facts(promotion: Promotion) -> Iterator[tuple[str, str]]:
    carried, period = promotion.carried, promotion.period
    old = {line.name: line for line in carried.before}
    for line in carried.after:
        own = f"{line.name} " if len(carried.after) > 1 else ""
        yield from _changes(own, old.get(line.name), line)
    for name, before, after in carried.readdressed:
        yield f"address of {name}", f"{before} → {after}"
    least = "at least " if promotion.is_cut else ""
    hours = promotion.bake.total_seconds() / 3600
    since = f"since {moment(period.since.time)}"
    yield f"in {promotion.source}", f"{least}{hours:.1f} hours, {since}"
    yield "brought by", f"{short(period.since)} {period.since.subject}"
    yield "author", period.author
    if period.merged_by:
        yield "merged by", period.merged_by
    yield from period.approvals
    yield from _objectives(promotion)
    for effect in carried.effects:
        yield "effect", effect
    for note in promotion.notes:
        yield "note", note


def _changes(own: str, old: Line | None, new: Line) -> Iterator[tuple[str, str]]:
    for words, key in (("version", "version"), ("run", "run_id"), ("sha256", "sha256")):
        before, after = getattr(old, key, ""), getattr(new, key)
        if before or after:
            same = before == after
            yield f"{own}{words}", after if same else f"{before or 'none'} → {after or 'none'}"


def _objectives(promotion: Promotion) -> Iterator[tuple[str, str]]:
    measured = promotion.measured
    if measured is None:
        yield f"SLO in {promotion.source}", _NOT_ASKED
        return
    window = lasting(measured.window)
    if not measured.requests:
        yield f"SLO in {promotion.source}", f"Prometheus has no request of this version in {window}"
        return
    few = "" if measured.is_enough else ", too few to judge"
    yield "requests", f"about {measured.requests:.0f} in {window}{few}"
    yield from measured_words(measured, measured.slo)
    if measured.slo is None:
        yield "SLO", f"{promotion.source} has no objectives (monitoring.slo)"
    elif measured.is_enough:
        missed = " and ".join(measured.breaches)
        yield f"SLO in {promotion.source}", f"missed: {missed}" if missed else "kept"


def measured_words(measured: Measured, slo: Slo | None) -> Iterator[tuple[str, str]]:
    """Errors and latency, each with its objective."""
    if measured.error_ratio is not None:
        allowed = f" (objective: at most {100 - slo.availability:.4g}%)" if slo else ""
        yield "server errors", f"{100 * measured.error_ratio:.4g}%{allowed}"
    latency = slo.latency if slo else None
    if latency is None:
        return
    allowed = f" (objective: at most {100 - latency.percentile:.4g}%)"
    if measured.slow_ratio is not None:
        slower = f"{100 * measured.slow_ratio:.4g}% above {latency.milliseconds:g} ms"
        yield "latency", f"{slower}{allowed}"
    else:
        yield "latency", f"no pod counts it at {latency.milliseconds:g} ms"
    if measured.latency_seconds is not None:
        yield f"p{latency.percentile:g}", f"about {1000 * measured.latency_seconds:.3g} ms"


def _measured_data(measured: Measured | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    slo = measured.slo
    objectives: dict[str, Any] | None = None
    if slo is not None:
        objectives = {"availability": slo.availability}
        if slo.latency is not None:
            objectives["latency"] = {
                "percentile": slo.latency.percentile,
                "milliseconds": slo.latency.milliseconds,
            }
    return {
        "windowSeconds": int(measured.window.total_seconds()),
        "requests": round(measured.requests, 1),
        "errorRatio": measured.error_ratio,
        "slowRatio": measured.slow_ratio,
        "latencySeconds": measured.latency_seconds,
        "isEnough": measured.is_enough,
        "objectives": objectives,
        "missed": list(measured.breaches),
    }


def _summary(report: Report) -> Iterator[tuple[str, str]]:
    """The report's plain values, down to the second level: they fit a line each."""
    for name, value in masked(report.data).items():
        if isinstance(value, dict):
            for inner, plain in value.items():
                if not isinstance(plain, (dict, list)):
                    yield f"{name}.{inner}", json.dumps(plain, ensure_ascii=False)
        elif not isinstance(value, list):
            yield name, json.dumps(value, ensure_ascii=False)


def _details(report: Report) -> str:
    text = json.dumps(masked(report.data), indent=2, ensure_ascii=False)
    if len(text) > _REPORT_LIMIT:
        text = f"{text[:_REPORT_LIMIT]}\n… (cut)"
    shown = "\n".join(map(fenced, text.splitlines()))
    summary = in_markdown(report.file)
    return f"\n<details>\n<summary>{summary}</summary>\n\n```json\n{shown}\n```\n\n</details>\n"
