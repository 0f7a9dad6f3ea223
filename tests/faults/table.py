"""The fault table, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.oracle import Outcome
from tests.faults.runs import Result

_COLUMNS = (
    "fault", "runs", "answered", "consumed", "duplicates", "dropped and counted", "failed requests",
    "seconds to recover", "",
)  # fmt: skip


def summed(results: Sequence[Result]) -> dict[str, tuple[Outcome | None, list[str]]]:
    """All runs of a row as one, by its title, with everything that was wrong in any of them."""
    rows: dict[str, tuple[Outcome | None, list[str]]] = {}
    for result in results:
        before, problems = rows.get(result.row.title, (None, []))
        outcome = result.outcome
        if outcome is not None and before is not None:
            outcome = before.beside(outcome)
        rows[result.row.title] = (outcome or before, [*problems, *result.problems])
    return rows


def print_table(results: Sequence[Result], console: Console) -> None:
    """One line for each fault; lines below say what is red."""
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    said = []
    for title, (outcome, problems) in summed(results).items():
        table.add_row(title, *_cells(outcome), "[red]red[/]" if problems else "[green]ok[/]")
        said += problems
    console.print(table)
    for problem in said:
        console.print(problem, markup=False, highlight=False)


def _cells(outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return ["0", *[""] * 6]
    o = outcome
    dropped = (
        f"{o.lost:,} = {o.counted:,}" if o.lost == o.counted else f"{o.lost:,} ≠ {o.counted:,}"
    )
    counts = [f"{n:,}" for n in (o.runs, o.answered, o.consumed, o.duplicates)]
    return [*counts, dropped, f"{o.failed:,}", f"{o.seconds:.1f}"]


def plain(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {"fault": title, **(outcome.plain() if outcome else {"runs": 0}), "problems": problems}
        for title, (outcome, problems) in summed(results).items()
    ]
