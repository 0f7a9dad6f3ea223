"""Follows rollouts until all of them are complete, one has failed, or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from servestack.errors import ClusterError, Problem
from servestack.live.client import Cluster
from servestack.live.workload import Seen, see_workload, serves_rollouts
from servestack.manifests.marks import Workload
from servestack.words import counted

_POLL_SECONDS = 2.0
_REMIND_SECONDS = 60.0
"""Some CI systems end a job that prints nothing for minutes."""
_UNREACHABLE = "SRV534"

Result = Literal["complete", "failed", "timeout"]


@dataclass(frozen=True, slots=True)
class Waited:
    """How it ended, and each workload as it was seen last."""

    result: Result
    seconds: float
    seen: tuple[Seen, ...]


def wait_for(
    cluster: Cluster,
    wanted: Sequence[Workload],
    timeout_seconds: float,
    say: Callable[[str], Any],
    *,
    sleep: Callable[[float], Any] = time.sleep,
) -> Waited:
    """Wait until the cluster runs every workload as it is declared.

    It ends at once where a rollout of a declared version has failed. A version that the cluster does
    not have yet may still come. `say` gets a line whenever something has changed.

    Raises ClusterError; but a cluster that was reached and does not answer for a while is asked again.
    """
    begun = said = time.monotonic()
    rollouts = serves_rollouts(cluster)
    seen: dict[str, Seen] = {}
    reasons: set[str] = set()
    while True:
        try:
            for workload in wanted:
                found = see_workload(cluster, workload, rollouts=rollouts)
                lines = _news(seen.get(workload.name), found, reasons)
                seen[workload.name] = found
                said = time.monotonic() if lines else said
                for line in lines:
                    say(line)
        except ClusterError as error:
            if len(seen) < len(wanted) or error.problems[0].id != _UNREACHABLE:
                raise
            say(f"{error.problems[0].message}; asked again")
        passed = time.monotonic() - begun
        result = _result(tuple(seen.values()), passed, timeout_seconds)
        if result is not None:
            return Waited(result, passed, tuple(seen.values()))
        if time.monotonic() - said > _REMIND_SECONDS:
            said = time.monotonic()
            say(f"still waiting, {passed:.0f} s: {_waiting(tuple(seen.values()))}")
        sleep(min(_POLL_SECONDS, max(timeout_seconds - passed, 0.0)))


def _result(seen: Sequence[Seen], passed: float, timeout_seconds: float) -> Result | None:
    if all(each.state == "complete" for each in seen):
        return "complete"
    if any(each.state == "failed" for each in seen):
        return "failed"
    return "timeout" if passed >= timeout_seconds else None


def _news(before: Seen | None, now: Seen, told: set[str]) -> list[str]:
    lines = [now.words] if before is None or before.words != now.words else []
    for reason in now.reasons:
        line = f"{now.wanted.name}: {reason}"
        if line not in told:
            told.add(line)
            lines.append(line)
    return lines


def _waiting(seen: Sequence[Seen]) -> str:
    left = [each.words for each in seen if each.state != "complete"]
    return "; ".join(left[:3]) + (f"; and {len(left) - 3} more" if len(left) > 3 else "")


def problem_of(waited: Waited, environment: str) -> Problem | None:
    """Why it did not become complete, as an error; None if it did."""
    left = [each for each in waited.seen if each.state != "complete"]
    if waited.result == "complete" or not left:
        return None
    failed = [each for each in left if each.state == "failed"]
    is_late = waited.result == "timeout"
    rollouts = counted(len(left), "rollout")
    head = (
        f"{rollouts} not complete after {waited.seconds:.0f} s"
        if is_late
        else f"{counted(len(failed), 'rollout')} failed"
    )
    lines = [head]
    for each in failed or left:
        lines.append(f"    {each.words}")
        lines += [f"        {line}" for reason in each.reasons for line in reason.splitlines()]
        lines.append(f"        {serving_words(each)}")
    first = (failed or left)[0].wanted.model
    hint = f"to go back in git: servestack rollback {first} {environment}"
    if is_late and all(each.state in ("missing", "outdated") for each in left):
        hint = "is it applied? `servestack diff --live` shows what applying would change"
    return Problem("SRV696" if is_late else "SRV695", "\n".join(lines), hint=hint)


def serving_words(seen: Seen) -> str:
    """Which versions answer, in words."""
    if not seen.serving:
        return "no pod is ready"
    counts = [f"version {v or 'unknown'} with {counted(n, 'pod')}" for v, n in seen.serving]
    return f"serving: {', '.join(counts)}"
