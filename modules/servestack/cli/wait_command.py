"""`servestack wait`, and what `servestack status` says of the cluster."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servestack.cli.live_command import LiveOptions, connect
from servestack.cli.output import say, say_problems, write
from servestack.errors import Problem, ResolveError, ServestackError, SpecError
from servestack.live.client import Cluster
from servestack.live.waiting import Waited, problem_of, serving_words, wait_for
from servestack.live.workload import Seen, see_workload, serves_rollouts
from servestack.versions.declared import Declared, read_declared

DISAGREES = 2
"""Exit code of `status --check`: the cluster does not run what git says."""
_LENGTH = re.compile(r"(\d{1,6})([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class StatusOptions:
    """The options of `status --live` as they were typed."""

    check: bool
    as_json: bool
    cluster: LiveOptions


def wait(
    root: Path,
    environment: str,
    models: Sequence[str],
    timeout: str,
    options: LiveOptions,
    output: str,
) -> int:
    """Follow the rollouts of an environment, and print how they ended. Returns the exit code.

    Raises ServestackError: `timeout` is not a length of time (SRV698), rendered files are stale
    (SRV697), or the cluster cannot be asked.
    """
    match = _LENGTH.fullmatch(timeout)
    if match is None:
        hint = "write a number and a unit: 90s, 30m, 2h"
        raise SpecError(Problem("SRV698", f"--timeout: {timeout!r} is not a time", hint=hint))
    declared = read_declared(root, environment, models)
    if declared.stale:
        raise ResolveError(declared.stale)
    cluster, context = connect(root, declared.environment.cluster, options)
    gc.enable()  # Entry turns it off, and this may run for long.
    waited = wait_for(cluster, declared.workloads, int(match[1]) * _SECONDS[match[2]], say)
    problem = problem_of(waited, environment)
    if output == "json":
        write(json.dumps(_waited_data(waited, environment, context), ensure_ascii=False) + "\n")
    else:
        write("".join(f"{each.words}\n" for each in waited.seen))
    if problem is None:
        return 0
    say_problems([problem])
    return 1


def _waited_data(waited: Waited, environment: str, context: str) -> dict[str, Any]:
    return {
        "version": 1,
        "environment": environment,
        "cluster": context,
        "result": waited.result,
        "seconds": round(waited.seconds, 1),
        "workloads": [_seen_data(each) for each in waited.seen],
    }


def _seen_data(seen: Seen) -> dict[str, Any]:
    return {
        "model": seen.wanted.model,
        "name": seen.wanted.name,
        "kind": seen.kind or None,
        "declared": seen.wanted.mark.version,
        "inCluster": seen.version or None,
        "serving": dict(seen.serving),
        "state": seen.state,
        "message": seen.message,
        "aborted": seen.is_aborted,
        "agrees": seen.agrees,
        "reasons": list(seen.reasons),
    }


def status_live(root: Path, environment: str, options: StatusOptions) -> int:
    """Print what the cluster runs beside what git says. Returns the exit code."""
    declared = read_declared(root, environment)
    cluster, context = connect(root, declared.environment.cluster, options.cluster)
    seen = _see_all(cluster, declared)
    if options.as_json:
        data = {
            "version": 1,
            "environment": environment,
            "cluster": context,
            "agrees": all(each.agrees for each in seen) and not declared.stale,
            "workloads": [_seen_data(each) for each in seen],
            "stale": [str(problem.location) for problem in declared.stale],
        }
        write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        write("".join(f"{_line(each)}\n" for each in seen))
    return _told(seen, declared, check=options.check)


def tell_disagreements(root: Path, environment: str, *, check: bool) -> int:
    """Say on stderr where the cluster does not run what git says. Returns the exit code.

    A cluster that cannot be asked, and files that are not valid, are said, and with `check` an error.
    """
    try:
        declared = read_declared(root, environment)
        cluster, _ = connect(root, declared.environment.cluster, LiveOptions(None, None))
        seen = _see_all(cluster, declared)
    except ServestackError as error:
        if check:
            raise
        say(f"the cluster was not compared with git: {error.problems[0]}")
        return 0
    return _told(seen, declared, check=check)


def _see_all(cluster: Cluster, declared: Declared) -> list[Seen]:
    rollouts = serves_rollouts(cluster)
    return [see_workload(cluster, each, rollouts=rollouts) for each in declared.workloads]


def _told(seen: Sequence[Seen], declared: Declared, *, check: bool) -> int:
    for problem in declared.stale:
        say(f"git disagrees with itself: {problem}")
    others = [each for each in seen if not each.agrees]
    for each in others:
        say(f"git and cluster disagree: {_disagreement(each)}")
    return DISAGREES if check and (others or declared.stale) else 0


def _disagreement(seen: Seen) -> str:
    """What differs, in one line: what git says, and what runs."""
    git = f"git says version {seen.wanted.mark.version}"
    after = " after an aborted rollout" if seen.is_aborted else ""
    return f"{seen.wanted.name}: {git}; {serving_words(seen)}{after}; {seen.state}: {seen.message}"


def _line(seen: Seen) -> str:
    mark = "same" if seen.agrees else "differs"
    return (
        f"{seen.wanted.name}   {mark}   git {seen.wanted.mark.version}   "
        f"cluster {seen.version or 'none'}   {serving_words(seen)}   {seen.state}: {seen.message}"
    )
