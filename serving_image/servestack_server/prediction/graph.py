"""Several models behind one address: split, router, chain, ensemble, bandit.

The graph is walked for each request; the queues of the models put requests together as they do
without a graph.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from servestack_contract import settings
from servestack_contract.settings import Graph
from servestack_server.errors import RequestError, StartError, internal_error
from servestack_server.prediction.nodes import (
    Bandit,
    Chain,
    Ensemble,
    Leaf,
    Router,
    Split,
    Walk,
)
from servestack_server.prediction.target import ModelTarget, RequestJob

log = logging.getLogger(__name__)

_REMEMBERED_PULLS = 100_000
"""Requests whose arm is kept for a reward to come; the oldest are let go."""


class GraphTarget:
    """A graph as a target. `rows` that enter a model after another must fit its input."""

    def __init__(
        self, name: str, graph: Graph, models: dict[str, ModelTarget],
        columns: Mapping[str, int],
    ) -> None:  # fmt: skip
        self.name = name
        self.version = ",".join(dict.fromkeys(model.version for model in models.values()))
        self._models = models
        self._root = _node(graph, models, columns)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulls: OrderedDict[str, list[tuple[Bandit, int]]] = OrderedDict()

    def submit(self, job: RequestJob[Any]) -> None:
        """Walk the graph in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._answer(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reward(self, request_id: str, feedback: Any) -> None:
        """A feedback that may hold the reward of a bandit's arm."""
        for bandit, arm in self._pulls.pop(request_id, ()):
            bandit.reward(arm, feedback)

    async def _answer(self, job: RequestJob[Any]) -> None:
        walk = Walk(job)
        try:
            job.outputs = await self._root.ask(walk, job.rows)
        except RequestError as error:
            job.error = error
        except Exception:
            log.exception("the graph failed")
            job.error = internal_error()
        asked = list(dict.fromkeys(walk.models))
        job.model = ",".join(asked) or self.name
        job.version = ",".join(self._models[name].version for name in asked)
        if walk.arms:
            self._pulls[job.request.id] = walk.arms
            if len(self._pulls) > _REMEMBERED_PULLS:
                self._pulls.popitem(last=False)
        try:
            job.finish(job)
        except Exception:  # What the models gave cannot be written down.
            log.exception("an answer of the graph cannot be sent")
            job.error = internal_error()
            job.finish(job)


def entry_models(graph: settings.Node) -> set[str]:
    """Names of the models that see the service's input as it is; the others see an answer."""
    if isinstance(graph, str):
        return {graph}
    children = graph.steps[:1] if isinstance(graph, settings.Chain) else settings.children(graph)
    return {name for child in children for name in entry_models(child)}


def _node(given: settings.Node, models: dict[str, ModelTarget], columns: Mapping[str, int]) -> Any:
    """What answers for a node of the settings. StartError for a name that nothing has."""

    def node(child: settings.Node) -> Any:
        return _node(child, models, columns)

    match given:
        case str():
            if given not in models:
                raise StartError(f"the graph names {given!r}, which is no model of the service")
            return Leaf(models[given])
        case settings.Split():
            branches = [(node(branch.node), branch.weight) for branch in given.branches]
            return Split(branches, given.sticky_by or "", columns)
        case settings.Router():
            if given.column not in columns:
                raise StartError(f"the router's column {given.column!r} is not in the input")
            cases = [(case.equals, node(case.node)) for case in given.cases]
            return Router(columns[given.column], cases, node(given.otherwise))
        case settings.Chain():
            return Chain([node(step) for step in given.steps])
        case settings.Ensemble():
            labels = [_label(child, at) for at, child in enumerate(given.nodes)]
            return Ensemble(labels, [node(child) for child in given.nodes], given.combine)
        case settings.Bandit():
            return Bandit([node(arm) for arm in given.arms], given)


def _label(child: settings.Node, at: int) -> str:
    return child if isinstance(child, str) else f"{child.__struct_config__.tag}{at}"
