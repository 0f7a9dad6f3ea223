"""What the server is held to, against the figures of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.performance.serving.contender import ONE, SIXTEEN
from tests.performance.serving.log_cost import LogCost
from tests.performance.serving.measurement import Result
from tests.performance.serving.ours import COMPILED, NATIVE
from tests.performance.serving.tables import best, rate

TIMES_BEST_PEER = {NATIVE: 5.0, COMPILED: 8.0}
READY_SECONDS = {NATIVE: 3.0, COMPILED: 1.5}
ABOVE_BARE_CALL_MS = 0.4
LOG_COST = 0.10


@dataclass(frozen=True)
class Bar:
    """One promise: what, how much, and whether it holds in this run."""

    promise: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'}  {self.promise}: {self.measured}"


def judge(
    results: Sequence[Result],
    bare_call_seconds: Mapping[str, float],
    log_costs: Mapping[str, LogCost],
) -> list[Bar]:
    """The bars whose figures this run has."""
    bars: list[Bar] = []
    for result in results:
        if result.kind == "ours" and not result.problem:
            peers = [peer for peer in results if peer.kind == "peer" and peer.model == result.model]
            if result.model == SIXTEEN.model:
                bars += _against_peers(result, peers)
                bars += _alone(result, bare_call_seconds)
            bars += _memory(result, peers)
    for name, cost in log_costs.items():
        bars += _log(name, cost)
    return bars


def _against_peers(result: Result, peers: Sequence[Result]) -> list[Bar]:
    name, wanted = result.contender, TIMES_BEST_PEER[result.contender]
    measured = [peer for peer in peers if SIXTEEN in peer.figures]
    best_peer = best(measured, SIXTEEN, "peer")
    if not best_peer:
        return []
    ratio = rate(result, SIXTEEN) / best_peer
    p99_ms = result.figures[SIXTEEN].p99_ms
    p50_ms = min(peer.figures[SIXTEEN].p50_ms for peer in measured)
    return [
        Bar(f"{name}: {wanted:g} times the best peer at 16", f"{ratio:.2f}", ratio >= wanted),
        Bar(
            f"{name}: p99 below every peer's p50 at 16",
            f"{p99_ms:.2f} against {p50_ms:.2f} ms",
            p99_ms < p50_ms,
        ),
    ]


def _alone(result: Result, bare_call_seconds: Mapping[str, float]) -> list[Bar]:
    name = result.contender
    seconds = READY_SECONDS[name]
    bars = [
        Bar(
            f"{name}: ready within {seconds:g} s",
            f"{result.ready_seconds:.2f} s",
            result.ready_seconds <= seconds,
        )
    ]
    if name in bare_call_seconds:
        bare_ms = bare_call_seconds[name] * 1000
        above_ms = result.figures[ONE].p50_ms - bare_ms
        bars.append(
            Bar(
                f"{name}: p50 at 1 connection {ABOVE_BARE_CALL_MS} ms above the bare call at most",
                f"{above_ms:.3f} ms above {bare_ms:.3f} ms",
                above_ms <= ABOVE_BARE_CALL_MS,
            )
        )
    return bars


def _memory(result: Result, peers: Sequence[Result]) -> list[Bar]:
    measured = [peer.memory_megabytes for peer in peers if peer.memory_megabytes]
    if not measured:
        return []
    return [
        Bar(
            f"{result.contender}: memory with {result.model} below every peer's",
            f"{result.memory_megabytes:.0f} against {min(measured):.0f} MB",
            result.memory_megabytes < min(measured),
        )
    ]


def _log(name: str, cost: LogCost) -> list[Bar]:
    return [
        Bar(
            f"{name}: the log costs {LOG_COST:.0%} of throughput at most",
            f"{cost.share:.1%}, others had up to {cost.others_share:.0%} of a core",
            cost.share <= LOG_COST,
        ),
        Bar(
            f"{name}: an event for every answer",
            f"{cost.written:,} events, {cost.answered:,} answers",
            cost.written >= cost.answered,
        ),
    ]
