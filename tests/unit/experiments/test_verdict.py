"""From units to a verdict, and its words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servestack.experiments.report import report_data, report_markdown, report_text, words
from servestack.experiments.units import Units
from servestack.experiments.verdict import Plan, Question, Verdict, judge

CLICKED = Question("feedback.clicked", True, 0.02)


def share(count: int, of: float) -> list[float]:
    """So many observations, of which this share is 1."""
    ones = round(count * of)
    return [1.0] * ones + [0.0] * (count - ones)


def judged(
    *by_variant: list[float], assigned: tuple[int, ...] | None = None, crossed: int = 0,
    plan: Plan | None = None, **metrics: list[list[float]],
) -> Verdict:  # fmt: skip
    names = ("a", "b", "c")[: len(by_variant)]
    plan = plan or Plan(names, (1 / len(names),) * len(names), CLICKED)
    values = {"feedback.clicked": np.concatenate([np.array(one) for one in by_variant])}
    values |= {name: np.concatenate([np.array(o) for o in one]) for name, one in metrics.items()}
    counts = tuple(map(len, by_variant))
    found = Units(
        variants=np.repeat(np.arange(len(counts)), counts), values=values, assigned=assigned or counts,
        crossed=crossed, pending=0, requests=sum(counts), repeated=0, unmatched=0, first=0, last=60_000,
    )  # fmt: skip
    return judge(plan, found)


LATENCY = Plan(("a", "b"), (0.5, 0.5), CLICKED, (Question("latency", False, 5.0),))
NAN = float("nan")


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (judged(share(9000, 0.1), share(9000, 0.14)), "better", "b is better than a"),
        (judged(share(9000, 0.14), share(9000, 0.1)), "better", "a is better than b"),
        (judged(share(90_000, 0.1), share(90_000, 0.11)), "better",
         "b is better than a, and by less than 0.02"),
        (judged(share(90_000, 0.1), share(90_000, 0.1)), "noDifference",
         "no difference of feedback.clicked that is worth 0.02"),
        (judged(share(90, 0.1), share(90, 0.9)), "keepGoing",
         "keep going: about 20 more units expected"),
        (judged(share(9000, 0.1), share(9900, 0.3)), "splitMismatch",
         "no verdict: the split is not what was asked for"),
        (judged(share(9000, 0.1), share(9000, 0.3), crossed=200), "crossed",
         "no verdict: too many units were in several variants"),
        (judged(share(9000, 0.1), share(8000, 0.3) + [NAN] * 1000), "missingFeedback",
         "no verdict: feedback is missing in b at another rate than in a"),
        (judged(share(9000, 0.1), share(9000, 0.3), plan=LATENCY,
                latency=[[1.0, 3.0] * 4500, [8.0, 10.0] * 4500]), "guardrailBroken",
         "a guardrail is broken: latency of b is worse by more than its limit"),
        (judged(share(9000, 0.1), share(9000, 0.3), plan=LATENCY,
                latency=[[1.0, 3.0] * 4500, [5.0, 7.0] * 4500]), "better", "b is better than a"),
    ],
)  # fmt: skip
def test_the_verdict(found: Verdict, outcome: str, said: str) -> None:
    assert (found.outcome, words(found)) == (outcome, said)


def test_what_is_expected_is_enough() -> None:
    """As many units more, with the same means, and the verdict is there; with a tenth fewer it is not."""
    found = judged(share(1000, 0.10), share(1000, 0.125))
    assert found.outcome == "keepGoing"
    assert found.more_units is not None
    for times, outcome in ((1.0, "better"), (0.85, "keepGoing")):
        each = round((2000 + found.more_units) * times / 2)
        each = (each // 40 + 1) * 40  # whole numbers of both shares
        assert judged(share(each, 0.10), share(each, 0.125)).outcome == outcome


def test_lower_may_be_better() -> None:
    plan = Plan(("a", "b"), (0.5, 0.5), Question("feedback.clicked", False, 0.02))
    found = judged(share(9000, 0.14), share(9000, 0.1), plan=plan)
    assert words(found) == "b is better than a"


def test_of_several_variants_each_has_its_part_of_alpha() -> None:
    rates = (share(3000, 0.1), share(3000, 0.13))
    two, three = judged(*rates), judged(*rates, share(3000, 0.1))
    alone, beside = two.comparisons[0].sequence, three.comparisons[0].sequence
    assert alone is not None and beside is not None
    assert beside.low < alone.low, "the same figures say less with twice the chances"
    found = judged(share(9000, 0.1), share(9000, 0.2), share(9000, 0.3))
    assert words(found) == "b and c are better than a"
    worse = judged(share(9000, 0.3), share(9000, 0.2), share(9000, 0.1))
    assert words(worse) == "a is better than b and c"


def test_a_variant_with_a_broken_guardrail_does_not_win_and_another_may() -> None:
    plan = Plan(("a", "b", "c"), (1 / 3,) * 3, CLICKED, (Question("latency", False, 5.0),))
    latency = [[1.0, 3.0] * 4500, [1.0, 3.0] * 4500, [18.0, 20.0] * 4500]
    found = judged(share(9000, 0.1), share(9000, 0.2), share(9000, 0.3), plan=plan, latency=latency)
    assert words(found) == "b is better than a"
    assert [(one.variant, one.guard) for one in found.guards] == [("b", "kept"), ("c", "broken")]


def test_nothing_is_said_of_values_that_are_all_the_same() -> None:
    assert judged([5.0] * 500, [5.0] * 500).outcome == "keepGoing"
    assert judged(share(100, 0), share(100, 0)).outcome == "keepGoing", (
        "a rare event may still come"
    )


def test_the_report_holds_what_was_found() -> None:
    found = judged(share(9000, 0.1), share(9000, 0.14), plan=LATENCY,
                   latency=[[1.0, 3.0] * 4500, [2.0, 4.0] * 4500])  # fmt: skip
    data: dict[str, Any] = report_data(found)
    assert data["verdict"] == "better"
    assert data["variants"]["b"] == {"units": 9000, "mean": 0.14, "missingFeedback": 0.0}
    (comparison,) = data["comparisons"]
    low, high = comparison["sequence"]
    assert low < comparison["difference"] < high
    assert comparison["difference"] == pytest.approx(0.04)
    assert comparison["relative"] == pytest.approx(0.4)
    assert data["guardrails"][0]["guard"] == "kept"
    text = report_text(found, "iris")
    assert text.startswith("iris: b is better than a\n")
    assert "  b - a   +0.04, 95% sequence +0." in text
    assert "  latency of b   kept: +1, +0." in text
    markdown = report_markdown(found, "iris")
    assert "| b | 50% | 9000 | 0.14 | +0.04 | +0." in markdown
