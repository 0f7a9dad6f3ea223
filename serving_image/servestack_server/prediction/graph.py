"""Several models behind one address: split, router, chain, ensemble, bandit.

Each request walks the graph on its own. The models' queues batch the requests as they do without a
graph.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from servestack_contract import settings
from servestack_contract.references import unknown_router_columns
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
from servestack_server.server_log import log_failure

log = logging.getLogger(__name__)

_REMEMBERED_PULLS = 100_000
"""Number of requests whose arm is kept until a reward arrives. Beyond it the oldest are dropped."""


class GraphTarget:
    """A graph as a target. `columns` maps each input column to its position in a row.

    Raises StartError for a model that the service does not have, or a router's column that the input
    does not have.
    """

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
        """Walk the graph for the job, in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._answer(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reward(self, request_id: str, feedback: Any) -> None:
        """Reward the bandit's arm that answered the request, if the feedback holds a reward."""
        for bandit, arm in self._pulls.pop(request_id, ()):
            bandit.reward(arm, feedback)

    async def _answer(self, job: RequestJob[Any]) -> None:
        walk = Walk(job)
        try:
            job.outputs = await self._root.ask(walk, job.rows)
        except RequestError as error:
            job.error = error
        except Exception as error:
            log_failure(log, "the graph failed", error, job.request_id)
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
        except Exception as error:  # The outputs cannot be encoded.
            log_failure(log, "an answer of the graph cannot be sent", error, job.request_id)
            job.error = internal_error()
            job.finish(job)


def _node(given: settings.Node, models: dict[str, ModelTarget], columns: Mapping[str, int]) -> Any:
    """Build a node of the settings. Raises StartError for an unknown model or column."""

    def node(child: settings.Node) -> Any:
        return _node(child, models, columns)

    match given:
        case str():
            if given not in models:
                raise StartError(f"the graph names {given!r}, which is not a model of the service")
            return Leaf(models[given])
        case settings.Split():
            branches = [(node(branch.node), branch.weight) for branch in given.branches]
            return Split(branches, given.sticky_by or "", columns)
        case settings.Router():
            if unknown := unknown_router_columns(given, columns):
                raise StartError(f"the router's column {unknown[0]!r} is not in the input")
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
