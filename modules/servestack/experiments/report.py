"""The report about an experiment, as data, as text and as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from servestack.experiments.sequences import Interval, Sample
from servestack.experiments.verdict import Comparison, Question, Verdict

_UNITS = {"latency": " ms", "errors": ""}


def report_data(found: Verdict) -> dict[str, Any]:
    """What was found, as plain data. Shares and relative differences are 1 for all, latencies in ms."""
    units, plan = found.units, found.plan
    return {
        "verdict": found.outcome,
        "words": words(found),
        "winners": list(found.winners),
        "moreUnits": found.more_units,
        "metric": plan.question.metric,
        "alpha": plan.alpha,
        "minimumEffect": plan.question.effect,
        "split": {
            "asked": dict(zip(plan.variants, plan.shares, strict=True)),
            "units": dict(zip(plan.variants, units.assigned, strict=True)),
            "odds": found.split_odds,
            "failsAt": found.split_limit,
        },
        "variants": {
            name: {**_sample(sample), "missingFeedback": missing}
            for name, sample, missing in zip(
                plan.variants, found.samples, found.missing, strict=True
            )
        },
        "comparisons": [_comparison(one) for one in found.comparisons],
        "guardrails": [{**_comparison(one), "guard": one.guard} for one in found.guards],
        "missingDiffers": list(found.missing_differs),
        "read": {
            "requests": units.requests,
            "repeated": units.repeated,
            "pendingUnits": units.pending,
            "crossedUnits": units.crossed,
            "unmatchedFeedback": units.unmatched,
            "first": _moment(units.first),
            "last": _moment(units.last),
        },
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {"units": sample.count, "mean": sample.mean}


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "variant": one.variant,
        "metric": one.metric,
        "answer": one.answer,
        "means": [one.control_sample.mean, one.sample.mean],
        "difference": one.value,
        "sequence": _ends(one.sequence),
        "relative": one.relative,
        "relativeSequence": _ends(one.relative_sequence),
        "moreUnits": one.more_units,
    }


def _ends(sequence: Interval | None) -> list[float] | None:
    return [sequence.low, sequence.high] if sequence is not None else None


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def words(found: Verdict) -> str:
    """Return the verdict as one sentence."""
    plan, control = found.plan, found.plan.variants[0]
    metric, effect = plan.question.metric, plan.question.effect
    match found.outcome:
        case "splitMismatch":
            return "no verdict: the split is not what was asked for"
        case "crossed":
            return "no verdict: too many units were in several variants"
        case "missingFeedback":
            differing = " and ".join(found.missing_differs)
            return (
                f"no verdict: feedback is missing in {differing} at another rate than in {control}"
            )
        case "guardrailBroken":
            broken = sorted(
                {f"{o.metric} of {o.variant}" for o in found.guards if o.guard == "broken"}
            )
            return f"a guardrail is broken: {' and '.join(broken)} is worse by more than its limit"
        case "better":
            whom = control if found.winners != (control,) else " and ".join(plan.variants[1:])
            small = _is_small(found)
            beside = f", and by less than {effect:g}" if small else ""
            verb = "is" if len(found.winners) == 1 else "are"
            return f"{' and '.join(found.winners)} {verb} better than {whom}{beside}"
        case "noDifference":
            return f"no difference of {metric} that is worth {effect:g}"
        case "keepGoing":
            more = found.more_units
            expected = f": about {more} more units expected" if more is not None else ""
            return f"keep going{expected}"


def _is_small(found: Verdict) -> bool:
    """Whether every winner's whole sequence lies within the effect that is worth knowing."""
    control, effect = found.plan.variants[0], found.plan.question.effect
    told = [
        one.sequence
        for one in found.comparisons
        if one.sequence is not None and (one.variant in found.winners or control in found.winners)
    ]
    return bool(told) and all(-effect < one.low and one.high < effect for one in told)


def report_text(found: Verdict, model: str) -> str:
    """The report for people."""
    plan, units = found.plan, found.units
    complete = sum(units.assigned) - units.pending
    lines = [
        f"{model}: {words(found)}",
        f"  units   {complete} complete, {units.pending} whose window is not over"
        f" ({units.requests} requests, {_moment(units.first)} to {_moment(units.last)})",
        f"split   asked {_shares(plan.shares)}, got {' / '.join(map(str, units.assigned))} units",
        f"  odds for another split   {found.split_odds:.3g} to 1, {_split_words(found)}",
        f"{plan.question.metric}   units, mean, without feedback",
    ]
    for name, sample, missing in zip(plan.variants, found.samples, found.missing, strict=True):
        mean = f"{sample.mean:.4g}" if sample.count else "-"
        lines.append(f"  {name}   {sample.count}, {mean}, {100 * missing:.3g}%")
    lines += [f"  {line}" for one in found.comparisons for line in _lines(one, found)]
    if found.guards:
        lines.append("guardrails")
    limits = {one.metric: one for one in plan.guardrails}
    for one in found.guards:
        lines.append(f"  {one.metric} of {one.variant}   {_guard_words(one, limits[one.metric])}")
    for number, about in (
        (units.crossed, "units that were in several variants, and are left out"),
        (units.repeated, "predictions read twice, and counted once"),
        (units.unmatched, "feedback to other requests, or after the window"),
    ):
        if number:
            lines.append(f"{about}   {number}")
    return "\n".join(lines) + "\n"


def _lines(one: Comparison, found: Verdict) -> list[str]:
    control = found.plan.variants[0]
    title = f"{one.variant} - {control}"
    if one.sequence is None:
        return [f"{title}   too few units"]
    level = f"{100 * (1 - found.plan.alpha):g}%"
    lines = [f"{title}   {one.value:+.4g}, {level} sequence {_range(one.sequence)}"]
    if one.relative is not None and one.relative_sequence is not None:
        low, high = one.relative_sequence.low, one.relative_sequence.high
        lines.append(
            f"  relative   {100 * one.relative:+.3g}%, {100 * low:+.3g}% to {100 * high:+.3g}%"
        )
    return lines


def _range(sequence: Interval) -> str:
    return f"{sequence.low:+.4g} to {sequence.high:+.4g}"


def _shares(shares: tuple[float, ...]) -> str:
    return " / ".join(f"{100 * share:g}%" for share in shares)


def _split_words(found: Verdict) -> str:
    failed = found.split_odds >= found.split_limit
    return "too many to go on" if failed else f"as asked below {found.split_limit:g}"


def _guard_words(one: Comparison, limit: Question) -> str:
    unit = _UNITS.get(one.metric, "")
    sign = "-" if limit.is_higher_better else "+"
    state = {"broken": "broken", "kept": "kept", "open": "not known yet"}[one.guard or "open"]
    found = f": {one.value:+.4g}, {_range(one.sequence)}" if one.sequence is not None else ""
    return f"{state}{found}, limit {sign}{limit.effect:g}{unit}"


def report_markdown(found: Verdict, model: str) -> str:
    """The report for a pull request or a wiki."""
    plan = found.plan
    rows = [
        f"**{model}: {words(found)}**",
        "",
        f"| variant | asked | units | {plan.question.metric} | difference | sequence | without feedback |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    by_name = {one.variant: one for one in found.comparisons}
    for index, name in enumerate(plan.variants):
        one, sample = by_name.get(name), found.samples[index]
        value = f"{one.value:+.4g}" if one is not None else ""
        sequence = _range(one.sequence) if one is not None and one.sequence is not None else ""
        rows.append(
            f"| {name} | {100 * plan.shares[index]:g}% | {found.units.assigned[index]} | "
            f"{sample.mean:.4g} | {value} | {sequence} | {100 * found.missing[index]:.3g}% |"
        )
    limits = {one.metric: one for one in plan.guardrails}
    if found.guards:
        rows.append("")
    rows += [
        f"- guardrail {one.metric} of {one.variant}: {_guard_words(one, limits[one.metric])}"
        for one in found.guards
    ]
    rows += ["", f"Odds for another split: {found.split_odds:.3g} to 1, {_split_words(found)}."]
    return "\n".join(rows) + "\n"
