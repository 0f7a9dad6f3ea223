"""Several runs of several faults: those that leave the brokers alone run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serving_image.tests.support.iris import Iris

from tests.faults.cluster_faults import ClusterFault, run_on
from tests.faults.cluster_stage import Stage
from tests.faults.fault import Fault, Row, problems, run
from tests.faults.oracle import Outcome
from tests.support.kafka import KafkaCluster

_AT_A_TIME = 3
"""Each has a server, a Filebeat and callers, which mostly wait: for two cores beside the brokers."""


@dataclass(frozen=True)
class Result:
    """One run of a row: what came out, and what of it breaks a promise. No outcome where the run
    itself did not come to its end."""

    row: Row
    outcome: Outcome | None
    problems: tuple[str, ...]


def run_once(
    fault: Fault, kafka: KafkaCluster, iris: Iris, folder: Path, number: int, *, short: bool
) -> list[Result]:
    """One run of a fault, in a folder of its own; a result for each of its rows."""
    reason = fault.obstacle()
    if reason is not None:
        return [Result(row, None, (f"{row.title}: not run: {reason}",)) for row in fault.rows]
    place = folder / f"{fault.rows[0].name}-{number}"
    place.mkdir(parents=True)
    try:
        outcomes = run(fault, kafka, iris, place, number, fault.short if short else fault.seconds)
    except Exception as error:  # One fault must not end the others.
        told = f"{type(error).__name__}: {error}"
        return [Result(row, None, (f"{row.title}: {told}",)) for row in fault.rows]
    return [
        Result(row, outcome, tuple(problems(fault.recovers_within, row, outcome)))
        for row, outcome in zip(fault.rows, outcomes, strict=True)
    ]


def run_all(
    faults: Sequence[Fault], times: int, kafka: KafkaCluster, iris: Iris, folder: Path, *,
    short: bool, tell: Callable[[Result], None],
) -> None:  # fmt: skip
    """Run each fault that often. `tell` gets each result as it comes."""

    def take(found: Iterable[Result]) -> None:
        for result in found:
            tell(result)

    beside = [fault for fault in faults if not fault.breaks_brokers]
    for number in range(1, times + 1):
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            one = partial(
                run_once, kafka=kafka, iris=iris, folder=folder, number=number, short=short
            )
            for found in pool.map(one, beside):
                take(found)
        # In this thread: the kernel ends a broker with the thread that has started it.
        for fault in faults:
            if fault.breaks_brokers:
                take(run_once(fault, kafka, iris, folder, number, short=short))


def run_all_on(
    stage: Stage, faults: Sequence[ClusterFault], times: int, tell: Callable[[Result], None]
) -> None:
    """Run each fault of a cluster that often, one after the other."""
    for _ in range(times):
        for fault in faults:
            tell(_run_on(stage, fault))


def _run_on(stage: Stage, fault: ClusterFault) -> Result:
    reason = fault.obstacle(stage)
    if reason is not None:
        return Result(fault.row, None, (f"{fault.row.title}: not run: {reason}",))
    try:
        outcome = run_on(stage, fault)
    except Exception as error:  # One fault must not end the others.
        return Result(fault.row, None, (f"{fault.row.title}: {type(error).__name__}: {error}",))
    found = problems(fault.recovers_within, fault.row, outcome)
    return Result(fault.row, outcome, tuple(found))
