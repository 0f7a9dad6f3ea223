"""Asks an experiment's questions in their order: was the split as asked, what differs, is it harmless."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from servestack.experiments.sequences import (
    Difference,
    Interval,
    Sample,
    cautious_variance,
    difference,
    interval,
    log_split_odds,
    ratio,
    units_until,
)

if TYPE_CHECKING:
    from servestack.experiments.units import Floats, Units

CHECK_ALPHA = 0.001
"""Probability that a check of the data fails by chance, over all looks: the split, and missing feedback."""
CROSSED_SHARE = 0.01
"""Share of the units that may have been in several variants. They are left out, which may bias the rest."""
MINIMUM_UNITS = 100
"""Fewest units of a variant with a value, before which nothing is said: the formulas are asymptotic."""
_MISSING_EFFECT = 0.01
"""Differences between shares of missing feedback that the check is tightest for."""

Outcome = Literal[
    "splitMismatch", "crossed", "missingFeedback", "guardrailBroken", "better", "noDifference", "keepGoing"
]  # fmt: skip
Answer = Literal["better", "worse", "noDifference", "open", "tooFew"]
Guard = Literal["broken", "kept", "open"]


@dataclass(frozen=True, slots=True)
class Question:
    """A metric, which of its values are better, and the difference that matters, in its unit."""

    metric: str
    is_higher_better: bool
    effect: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided before any data came. `shares` are up to 1; the first variant is the control."""

    variants: tuple[str, ...]
    shares: tuple[float, ...]
    question: Question
    guardrails: tuple[Question, ...] = ()
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one variant beside the control's.

    `answer` is about the variant; for a guardrail `guard` is. `more_units` is how many more units of
    all variants would decide, if the differences stay what they are; None: not to be expected, or
    nothing is open.
    """

    variant: str
    metric: str
    control_sample: Sample
    sample: Sample
    value: float
    sequence: Interval | None
    relative: float | None
    relative_sequence: Interval | None
    answer: Answer = "open"
    guard: Guard | None = None
    more_units: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known at this look. `winners` are variants that are better than the control."""

    outcome: Outcome
    plan: Plan
    units: Units
    split_odds: float
    split_limit: float
    missing: tuple[float, ...]
    missing_differs: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    guards: tuple[Comparison, ...] = ()
    winners: tuple[str, ...] = ()
    more_units: int | None = None
    samples: tuple[Sample, ...] = ()


def judge(plan: Plan, units: Units) -> Verdict:
    """Return the verdict at this look. Each variant's comparison with the control takes its part of alpha."""
    log_odds = log_split_odds(units.assigned, plan.shares)
    alpha = plan.alpha / (len(plan.variants) - 1)
    answers = tuple(_compare(plan, units, plan.question, index, alpha) for index in _others(plan))
    guards = tuple(
        _guarded(_compare(plan, units, guardrail, index, alpha), guardrail)
        for guardrail in plan.guardrails
        for index in _others(plan)
    )
    missing, differs = _missing(plan, units)
    broken = {one.variant for one in guards if one.guard == "broken"}
    harmless = [one for one in answers if one.variant not in broken]
    winners = tuple(one.variant for one in harmless if one.answer == "better")
    waits = [one.more_units for one in harmless if one.answer in ("open", "tooFew")]
    outcome: Outcome
    if log_odds >= -math.log(CHECK_ALPHA):
        outcome = "splitMismatch"
    elif units.crossed > CROSSED_SHARE * (sum(units.assigned) + units.crossed):
        outcome = "crossed"
    elif differs:
        outcome = "missingFeedback"
    elif winners:
        outcome = "better"
    elif waits:
        outcome = "keepGoing"
    elif broken:
        outcome = "guardrailBroken"
    elif all(one.answer == "worse" for one in answers):
        outcome, winners = "better", (plan.variants[0],)
    else:
        outcome = "noDifference"
    return Verdict(
        outcome=outcome,
        plan=plan,
        units=units,
        split_odds=math.exp(min(log_odds, 700.0)),
        split_limit=1 / CHECK_ALPHA,
        missing=missing,
        missing_differs=differs,
        comparisons=answers,
        guards=guards,
        winners=winners,
        more_units=None if None in waits or not waits else max(w for w in waits if w is not None),
        samples=_samples(plan, units, plan.question.metric, list(range(len(plan.variants)))),
    )


def _others(plan: Plan) -> range:
    return range(1, len(plan.variants))


def _samples(plan: Plan, units: Units, metric: str, which: Sequence[int]) -> tuple[Sample, ...]:
    """Return the samples of these variants; their range is that of the values of them all."""
    import numpy as np

    values = units.values[metric]
    is_known = ~np.isnan(values)
    known = values[is_known & np.isin(units.variants, which)]
    low, high = _range(known)
    found = []
    for index in which:
        own = values[is_known & (units.variants == index)]
        count, total = len(own), float(own.sum())
        variance = cautious_variance(count, total, float((own * own).sum()), low, high)
        found.append(Sample(count, total / count if count else 0.0, variance))
    return tuple(found)


def _range(values: Floats) -> tuple[float, float]:
    """Return the ends of the range of values: of shares and of answers that are yes or no, 0 and 1."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def _compare(plan: Plan, units: Units, question: Question, index: int, alpha: float) -> Comparison:
    control, variant = _samples(plan, units, question.metric, (0, index))
    name, metric = plan.variants[index], question.metric
    fewest = min(control.count, variant.count)
    if fewest < MINIMUM_UNITS or control.variance + variant.variance <= 0:
        share = min(plan.shares[0], plan.shares[index])
        more = math.ceil((MINIMUM_UNITS - fewest) / share) if fewest < MINIMUM_UNITS else None
        value = variant.mean - control.mean
        return Comparison(
            name, metric, control, variant, value, None, None, None, "tooFew", more_units=more
        )
    found = difference(control, variant)
    sequence = interval(found, alpha, question.effect)
    relative = ratio(control, variant)
    answer = _answer(sequence, question)
    return Comparison(
        variant=name,
        metric=metric,
        control_sample=control,
        sample=variant,
        value=found.value,
        sequence=sequence,
        relative=relative.value if relative is not None else None,
        relative_sequence=interval(relative, alpha, question.effect / abs(control.mean))
        if relative is not None
        else None,
        answer=answer,
        more_units=_more_units(found, alpha, question.effect, len(units.variants))
        if answer == "open"
        else None,
    )


def _answer(sequence: Interval, question: Question) -> Answer:
    if sequence.low > 0 or sequence.high < 0:
        return "better" if (sequence.low > 0) == question.is_higher_better else "worse"
    if -question.effect < sequence.low and sequence.high < question.effect:
        return "noDifference"
    return "open"


def _more_units(found: Difference, alpha: float, effect: float, present: int) -> int | None:
    size = abs(found.value)
    times = [units_until(found, alpha, effect, at) for at in (size, effect - size)]
    known = [one for one in times if one is not None]
    return math.ceil((min(known) - 1) * present) if known else None


def _guarded(found: Comparison, guardrail: Question) -> Comparison:
    """Return the comparison with its guard: worse by more than the limit, less, or not known yet."""
    if found.sequence is None:
        return replace(found, guard="open")
    low, high = found.sequence.low, found.sequence.high
    worst, best = (-low, -high) if guardrail.is_higher_better else (high, low)
    guard: Guard = (
        "broken" if best > guardrail.effect else "kept" if worst <= guardrail.effect else "open"
    )
    return replace(found, guard=guard)


def _missing(plan: Plan, units: Units) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return the share of complete units without a value, and the variants where it is not the control's."""
    import numpy as np

    lacks = np.isnan(units.values[plan.question.metric]).astype(float)
    samples = []
    for index in range(len(plan.variants)):
        own = lacks[units.variants == index]
        total = float(own.sum())
        variance = cautious_variance(len(own), total, total, 0.0, 1.0)
        samples.append(Sample(len(own), total / len(own) if len(own) else 0.0, variance))
    differs = []
    for index in _others(plan):
        if min(samples[0].count, samples[index].count) < MINIMUM_UNITS:
            continue
        alpha = CHECK_ALPHA / (len(plan.variants) - 1)
        found = interval(difference(samples[0], samples[index]), alpha, _MISSING_EFFECT)
        if found.low > 0 or found.high < 0:
            differs.append(plan.variants[index])
    return tuple(sample.mean for sample in samples), tuple(differs)
