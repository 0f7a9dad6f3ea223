"""Watches the rollouts of a running update, and reports when none of them can succeed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from servestack.errors import ClusterError, Problem
from servestack.live.client import Cluster
from servestack.live.rollout import Rollout, see_rollout
from servestack.words import counted

_POLL_SECONDS = 2.0
_UNCHANGED_SECONDS = 15.0
"""After this time, an update that has not changed the Deployment's generation only waits."""


class RolloutWatch:
    """A thread that looks at the models whose Deployments an update has begun.

    `planned` are all models whose Deployment the update will touch. When each of them is either
    done or past its progress deadline, and one is past it, `give_up` is called once: waiting longer
    changes nothing. New reasons go to `say` as they are seen.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        planned: Iterable[str],
        give_up: Callable[[], Any],
        say: Callable[[str], Any],
    ) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._planned = frozenset(planned)
        self._give_up, self._say = give_up, say
        self._before: dict[str, int] = {}
        self._begun: dict[str, float] = {}
        self._told: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> RolloutWatch:
        for model in self._planned:
            seen = self._see(model)
            self._before[model] = seen.generation if seen else 0
        if self._planned:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def begin(self, model: str) -> None:
        """Note that the update has begun with a model's Deployment."""
        self._begun.setdefault(model, time.monotonic())

    def problems(self) -> dict[str, Problem]:
        """For each model that was begun and is not rolled out: what failed, and what serves."""
        found = {}
        for model in sorted(self._begun):
            seen = self._see(model)
            if seen is not None and not seen.done and self._is_of_this_update(seen):
                found[model] = problem_of(seen)
        return found

    def _run(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            begun = [seen for model in list(self._begun) if (seen := self._see(model))]
            for seen in filter(self._is_of_this_update, begun):
                self._say_new(seen)
            ended = {
                seen.model
                for seen in begun
                if (seen.done or seen.exceeded) and self._is_of_this_update(seen)
            }
            if ended == self._planned and any(seen.exceeded for seen in begun):
                self._give_up()
                return

    def _is_of_this_update(self, seen: Rollout) -> bool:
        waited = time.monotonic() - self._begun[seen.model]
        return seen.generation > self._before[seen.model] or waited > _UNCHANGED_SECONDS

    def _say_new(self, seen: Rollout) -> None:
        for reason in seen.reasons:
            told = f"{seen.model}: version {seen.version}: {reason}"
            if told not in self._told:
                self._told.add(told)
                self._say(told)

    def _see(self, model: str) -> Rollout | None:
        try:
            return see_rollout(self._cluster, self._namespace, model)
        except ClusterError:
            return None  # The update itself reports a cluster that does not answer.


def problem_of(rollout: Rollout) -> Problem:
    """A rollout that did not succeed, in words."""
    late = f" within {rollout.deadline_seconds} s" if rollout.exceeded else ""
    lines = [f"{rollout.model}: version {rollout.version} was not rolled out{late}"]
    for reason in rollout.reasons or ("its pods give no reason",):
        lines += [f"    {line}" for line in reason.splitlines()]
    serving = Counter(rollout.serving)
    lines.append(f"    {_serving_words(serving)}")
    hint = (
        "correct the spec or the lock, or go back with `git revert`; then run `servestack up` again"
    )
    return Problem("SRV524", "\n".join(lines), hint=hint)


def _serving_words(serving: Counter[str]) -> str:
    if not serving:
        return "no pod serves this model"
    counts = [
        f"version {version} with {counted(count, 'pod')}"
        for version, count in sorted(serving.items())
    ]
    return f"still serving: {', '.join(counts)}"
