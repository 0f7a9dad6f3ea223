"""Results as text: a table a scenario, with the ratios to the best peer and to the floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.performance.serving.contender import SIXTEEN, Scenario
from tests.performance.serving.log_cost import LogCost
from tests.performance.serving.measurement import Result
from tests.performance.serving.ours import BUFFERED

HEAD = (
    "server", "req/s", "p50 ms", "p99 ms", "memory MB", "ready s", "x best peer", "x echo floor", "others %"
)  # fmt: skip


def scenario_table(scenario: Scenario, results: Sequence[Result]) -> list[str]:
    """Lines: quickest first, then why figures are missing or not to be trusted."""
    present = [result for result in results if result.model == scenario.model]
    measured = [result for result in present if scenario in result.figures]
    measured.sort(key=lambda result: -rate(result, scenario))
    peer, floor = best(measured, scenario, "peer"), best(measured, scenario, "floor")
    rows = [HEAD]
    for result in measured:
        figures = result.figures[scenario]
        rows.append((
            result.contender,
            f"{figures.requests_per_second:,.0f}",
            f"{figures.p50_ms:.2f}",
            f"{figures.p99_ms:.2f}",
            f"{result.memory_megabytes:.0f}",
            f"{result.ready_seconds:.2f}",
            _ratio(figures.requests_per_second, peer),
            _ratio(figures.requests_per_second, floor),
            f"{result.others_share[scenario]:.0%}".rstrip("%"),
        ))  # fmt: skip
    notes = [f"{result.contender}: {result.problem}" for result in present if result.problem]
    notes += [
        f"{result.contender}: {result.figures[scenario].failures}; not counted as best"
        for result in measured
        if result.figures[scenario].errors
    ]
    return [scenario.title, *aligned(rows), *(f"  ! {note}" for note in notes)]


def log_table(costs: Mapping[str, LogCost]) -> list[str]:
    """Lines: what each kind of log costs one server beside the same one without, and with which."""
    rows = [("log of predictions", "req/s", "without", "cost", "answers without event")]
    for name, cost in costs.items():
        rows.append((
            name if BUFFERED in name else f"{name}, log before answer",
            f"{median(cost.with_log):,.0f}",
            f"{median(cost.without_log):,.0f}",
            f"{cost.share:.1%}",
            f"{max(cost.answered - cost.written, 0):,}",
        ))  # fmt: skip
    return [f"{SIXTEEN.title}, medians of {len(cost.with_log)} rounds", *aligned(rows)]


def best(results: Sequence[Result], scenario: Scenario, kind: str) -> float:
    """Highest requests a second of a kind without a failed request; 0 where there is none."""
    return max(
        (
            rate(result, scenario)
            for result in results
            if result.kind == kind
            and scenario in result.figures
            and not result.figures[scenario].errors
        ),
        default=0.0,
    )


def rate(result: Result, scenario: Scenario) -> float:
    return result.figures[scenario].requests_per_second


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Text to the left in the first column, figures to the right in the others."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _ratio(value: float, base: float) -> str:
    return f"{value / base:.2f}" if base else "-"
