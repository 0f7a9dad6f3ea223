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
from servestack_contract.assignment import salt_of
from servestack_contract.references import unknown_router_columns
from servestack_contract.settings import Graph, ServerSettings, splits_of
from servestack_server.errors import RequestError, StartError, internal_error
from servestack_server.events.values import to_json
from servestack_server.prediction.nodes import (
    Bandit,
    Chain,
    Ensemble,
    Leaf,
    Router,
    Split,
    Walk,
)
from servestack_server.prediction.sticky import StickyKey
from servestack_server.prediction.target import ModelTarget, RequestJob
from servestack_server.server_log import log_failure

log = logging.getLogger(__name__)

_REMEMBERED_PULLS = 100_000
"""Number of requests whose arm is kept until a reward arrives. Beyond it the oldest are dropped."""


class GraphTarget:
    """The settings' graph as a target. `columns` maps each input column to its position in a row.

    Raises StartError for a model that the service does not have, or a router's column that the input
    does not have.
    """

    def __init__(
        self, given: ServerSettings, graph: Graph, models: dict[str, ModelTarget],
        columns: Mapping[str, int],
    ) -> None:  # fmt: skip
        self.name = given.name
        self.version = ",".join(dict.fromkeys(model.version for model in models.values()))
        self._models = models
        self._root = _Builder(given, graph, models, columns).node(graph)
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


class _Builder:
    """Builds the nodes of the settings, in reading order: splits are counted."""

    def __init__(
        self, given: ServerSettings, graph: Graph, models: dict[str, ModelTarget],
        columns: Mapping[str, int],
    ) -> None:  # fmt: skip
        self._models = models
        self._columns = columns
        self._service = given.name
        self._splits = 0
        # Of several, events could not tell which of them a branch is of.
        self._logs_branches = len(splits_of(graph)) == 1
        log = given.events.predictions if given.events is not None else None
        self._unit = log.unit if log is not None else None

    def node(self, given: settings.Node) -> Any:
        """Build a node and all below it. Raises StartError for an unknown model or column."""
        match given:
            case str():
                if given not in self._models:
                    raise StartError(
                        f"the graph names {given!r}, which is not a model of the service"
                    )
                return Leaf(self._models[given])
            case settings.Split():
                return self._split(given)
            case settings.Router():
                if unknown := unknown_router_columns(given, self._columns):
                    raise StartError(f"the router's column {unknown[0]!r} is not in the input")
                cases = [(case.equals, self.node(case.node)) for case in given.cases]
                return Router(self._columns[given.column], cases, self.node(given.otherwise))
            case settings.Chain():
                return Chain([self.node(step) for step in given.steps])
            case settings.Ensemble():
                labels = [_label(child, at) for at, child in enumerate(given.nodes)]
                return Ensemble(labels, [self.node(child) for child in given.nodes], given.combine)
            case settings.Bandit():
                return Bandit([self.node(arm) for arm in given.arms], given)

    def _split(self, given: settings.Split) -> Split:
        self._splits += 1
        salt = salt_of(self._service, self._splits)
        labels = [b.name or _label(b.node, at) for at, b in enumerate(given.branches)]
        is_unit = given.sticky_by is not None and given.sticky_by == self._unit
        key = StickyKey(given.sticky_by, self._columns, is_logged=is_unit)
        return Split(
            [self.node(branch.node) for branch in given.branches],
            [branch.weight for branch in given.branches],
            key,
            salt,
            [b',"branch":' + to_json(label) for label in labels] if self._logs_branches else (),
        )


def _label(child: settings.Node, at: int) -> str:
    return child if isinstance(child, str) else f"{child.__struct_config__.tag}{at}"
