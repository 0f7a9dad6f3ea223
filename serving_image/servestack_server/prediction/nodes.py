"""The nodes of a graph. Each has a method `ask`, which answers rows and may ask other nodes.

`ask(walk, rows)` returns one plain value per row. It raises RequestError if a model fails.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from servestack_contract import settings
from servestack_contract.assignment import branch_at, point
from servestack_server.input.problems import invalid
from servestack_server.prediction.batcher import Job
from servestack_server.prediction.outputs import listed
from servestack_server.prediction.sticky import StickyKey
from servestack_server.prediction.target import ModelTarget, RequestJob


class Walk:
    """The path of one request through the graph: the models asked, and the bandits' arms."""

    __slots__ = ("arms", "job", "models")

    def __init__(self, job: RequestJob[Any]) -> None:
        self.job = job
        self.models: list[str] = []
        self.arms: list[tuple[Bandit, int]] = []


class _LeafJob(Job):
    """Rows of a request for one model of the graph."""

    __slots__ = ("_walk",)

    def __init__(self, walk: Walk, rows: Any, finish: Callable[[Job], None]) -> None:
        super().__init__(rows, walk.job.deadline, finish, walk.job.params)
        self._walk = walk

    @property
    def request_id(self) -> str:
        """Id of the request that walks through the graph."""
        return self._walk.job.request_id


class Leaf:
    """One model."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target

    async def ask(self, walk: Walk, rows: Any) -> list[Any]:
        answer: asyncio.Future[Job] = asyncio.get_running_loop().create_future()

        def finish(job: Job) -> None:
            if not answer.done():
                answer.set_result(job)

        walk.models.append(self._target.name)
        self._target.batcher.submit(_LeafJob(walk, rows, finish))
        job = await answer
        if job.error is not None:
            raise job.error
        return listed(job.outputs)


class Split:
    """Sends the whole request to one branch, by weight. Equal keys go to the same branch.

    Requests without the key go by their id. `members` are JSON for the request's events, one for each
    branch; without them nothing is noted.
    """

    def __init__(
        self, branches: list[Any], weights: Sequence[float], key: StickyKey, salt: str,
        members: Sequence[bytes] = (),
    ) -> None:  # fmt: skip
        self._branches = branches
        self._weights = weights
        self._key = key
        self._salt = salt
        self._members = members

    async def ask(self, walk: Walk, rows: Any) -> list[Any]:
        request = walk.job.request
        key = self._key.of(request, rows)
        # Not the hash by which the sample of the log is chosen: that would log one branch alone.
        at = branch_at(point(self._salt, key), self._weights)
        if self._members:
            request.assigned = self._members[at] + self._key.member(key)
        return await self._branches[at].ask(walk, rows)  # type: ignore[no-any-return]


class Router:
    """Sends each row to the node for its value in a column."""

    def __init__(self, column: int, cases: list[tuple[Any, Any]], otherwise: Any) -> None:
        self._column = column
        self._cases = cases
        self._otherwise = otherwise

    async def ask(self, walk: Walk, rows: Any) -> list[Any]:
        ways: dict[int, list[int]] = {}
        for at, row in enumerate(rows):
            ways.setdefault(self._way(row[self._column]), []).append(at)
        outputs: list[Any] = [None] * len(rows)

        async def go(way: int, positions: list[int]) -> None:
            node = self._otherwise if way < 0 else self._cases[way][1]
            answers = await node.ask(walk, [rows[at] for at in positions])
            for at, answer in zip(positions, answers, strict=True):
                outputs[at] = answer

        await _all(*(go(way, positions) for way, positions in ways.items()))
        return outputs

    def _way(self, value: Any) -> int:
        for at, (equals, _) in enumerate(self._cases):
            if value == equals and isinstance(value, bool) == isinstance(equals, bool):
                return at
        return -1


class Chain:
    """Runs steps in order. Each step takes the answers of the step before as its rows."""

    def __init__(self, steps: list[Any]) -> None:
        self._steps = steps

    async def ask(self, walk: Walk, rows: Any) -> list[Any]:
        for step in self._steps[:-1]:
            rows = [_as_row(answer) for answer in await step.ask(walk, rows)]
        return await self._steps[-1].ask(walk, rows)  # type: ignore[no-any-return]


def _as_row(answer: Any) -> Any:
    if isinstance(answer, dict):
        return list(answer.values())
    return answer if isinstance(answer, list | tuple) else [answer]


class Ensemble:
    """Asks all nodes for each row and combines their answers."""

    def __init__(self, labels: list[str], nodes: list[Any], combine: str) -> None:
        self._labels = labels
        self._nodes = nodes
        self._combine = combine

    async def ask(self, walk: Walk, rows: Any) -> list[Any]:
        answers = await _all(*(node.ask(walk, rows) for node in self._nodes))
        by_row = list(zip(*answers, strict=True))
        if self._combine == "object":
            return [dict(zip(self._labels, row, strict=True)) for row in by_row]
        if self._combine == "vote":
            return [_vote(row) for row in by_row]
        middle = statistics.fmean if self._combine == "mean" else statistics.median
        return [_elementwise(middle, row) for row in by_row]


def _vote(answers: tuple[Any, ...]) -> Any:
    """Return the most common answer; in a tie, that of the node named first."""
    counts = Counter(map(repr, answers))
    most = max(counts.values())
    return next(answer for answer in answers if counts[repr(answer)] == most)


def _elementwise(middle: Any, answers: tuple[Any, ...]) -> Any:
    if all(isinstance(answer, list) for answer in answers):
        return [_elementwise(middle, part) for part in zip(*answers, strict=True)]
    try:
        return middle(answers)
    except (TypeError, statistics.StatisticsError):
        raise invalid(
            "not_a_number", "the models' answers cannot be combined: they are not numbers"
        ) from None


class Bandit:
    """Sends the whole request to one arm: the one with the highest reward, or one to explore.

    What a bandit learns stays in its process. Each pod learns on its own, and a new pod starts from
    zero. Source of the algorithms: Sutton and Barto, Reinforcement Learning, section 2.2
    (epsilon-greedy); Chapelle and Li, An Empirical Evaluation of Thompson Sampling, 2011.
    """

    def __init__(self, arms: list[Any], given: settings.Bandit) -> None:
        self._arms = arms
        self._thompson = given.algorithm == "thompson"
        self._epsilon = given.epsilon
        self._field = given.reward
        self._minimum_pulls = given.minimum_pulls
        self.pulls = [0] * len(arms)
        self.rewards = [0.0] * len(arms)
        self.rewarded = [0] * len(arms)

    async def ask(self, walk: Walk, rows: Any) -> list[Any]:
        arm = self._choose()
        self.pulls[arm] += 1
        walk.arms.append((self, arm))
        return await self._arms[arm].ask(walk, rows)  # type: ignore[no-any-return]

    def reward(self, arm: int, feedback: Any) -> None:
        """Count the reward in a feedback, a number from 0 to 1. Anything else is ignored."""
        value = feedback.get(self._field) if isinstance(feedback, dict) else None
        if isinstance(value, int | float) and 0 <= value <= 1:
            self.rewards[arm] += value
            self.rewarded[arm] += 1

    def _choose(self) -> int:
        fewest = min(self.pulls)
        if fewest < self._minimum_pulls:
            return self.pulls.index(fewest)
        if self._thompson:
            draws = [
                random.betavariate(1 + earned, 1 + max(0.0, count - earned))
                for earned, count in zip(self.rewards, self.rewarded, strict=True)
            ]
            return draws.index(max(draws))
        if random.random() < self._epsilon:
            return random.randrange(len(self._arms))
        means = [
            earned / count if count else 0.0
            for earned, count in zip(self.rewards, self.rewarded, strict=True)
        ]
        return means.index(max(means))


async def _all(*questions: Any) -> list[Any]:
    """Await all questions. Raises the first error only after all have ended, so that none leaks."""
    results = await asyncio.gather(*questions, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
