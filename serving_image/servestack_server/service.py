"""One service: its settings, its input, its models, and whether it takes requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from servestack_contract.references import entry_names
from servestack_contract.settings import Batching, ServerSettings, splits_of
from servestack_server.drift.input_counts import InputCounts
from servestack_server.errors import RequestError
from servestack_server.events.log import EventLog
from servestack_server.input.params import ParamsSchema
from servestack_server.input.schema import AnySchema, Schema
from servestack_server.metrics import ServerMetrics
from servestack_server.models.model import Model
from servestack_server.prediction.batcher import Batcher
from servestack_server.prediction.graph import GraphTarget
from servestack_server.prediction.sticky import StickyKey
from servestack_server.prediction.target import ModelTarget, Target
from servestack_server.prediction.warm_up import warm_up
from servestack_server.shadow.copies import Copies

if TYPE_CHECKING:
    from servestack_server.drift.watch import DriftWatch


class Service:
    """The models of a service behind its routes. Belongs to the event loop's thread.

    `root` is the target of <basePath>/predict: the only model, or the graph. It is None for several
    models without a graph. `receiving` returns how many requests are only partly received,
    and `delivering` is called with True and False before and after the answers of a batch.
    `is_input_declared`: the settings came with an input; else a model may have described its own.
    """

    def __init__(
        self, settings: ServerSettings, schema: Schema, models: Sequence[Model],
        metrics: ServerMetrics, log: EventLog, *, is_input_declared: bool,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.schema = schema
        self.params = ParamsSchema(settings.params) if settings.params else None
        self.metrics = metrics
        self.log = log
        self.copies = Copies()
        metrics.copies = self.copies
        self.warm = False
        self.stopping = False
        self.is_input_declared = is_input_declared
        self.receiving: Callable[[], int] = int
        self.delivering: Callable[[bool], object] = bool
        watched = settings.metrics.watched
        self.inputs = InputCounts(schema, metrics, is_on=watched is not None)
        self.drift: DriftWatch | None = None
        if watched:
            # Its modules take a megabyte, which services without a watch need not have.
            from servestack_server.drift.watch import DriftWatch

            self.drift = DriftWatch(settings, schema, metrics, watched)
        self.targets = {model.name: self._target(model) for model in models}
        self.root = self._root()
        self.unit_key = self._unit_key()
        metrics.queue_depth = lambda: sum(t.batcher.depth for t in self.targets.values())

    def _target(self, model: Model) -> ModelTarget:
        alone = Batching(max_batch_size=1, max_latency_ms=0)
        # Two requests to a model of unknown input may have columns of different names.
        is_unknown = isinstance(self.schema, AnySchema) and model.flavor == "pyfunc"
        settings = alone if is_unknown else self.settings.batching or alone
        metrics = self.metrics.model(model.name, model.version, model.digest)
        return ModelTarget(
            Batcher(
                model,
                metrics,
                max_rows=settings.max_batch_size,
                max_wait_seconds=settings.max_latency_ms / 1000,
                max_queue=self.settings.limits.max_queue,
                receiving=lambda: self.receiving(),
                delivering=lambda begins: self.delivering(begins),
            )
        )

    def _root(self) -> Target | None:
        if self.settings.graph is not None:
            columns = getattr(self.schema, "positions", {})
            return GraphTarget(self.settings, self.settings.graph, self.targets, columns)
        if len(self.targets) == 1:
            return next(iter(self.targets.values()))
        return None

    def _unit_key(self) -> StickyKey | None:
        """Return what names the unit of each request; None if a split does, or nobody asks for it."""
        log = self.settings.events.predictions if self.settings.events is not None else None
        graph = self.settings.graph
        if log is None or log.unit is None or (graph is not None and splits_of(graph)):
            return None
        return StickyKey(log.unit, getattr(self.schema, "positions", {}), is_logged=True)

    def entry(self) -> Target:
        """Return the target that events name if no single model has answered."""
        return self.root or next(iter(self.targets.values()))

    def warm_up(self) -> list[str]:
        """Predict the example with every model. Returns lines for the log.

        Raises StartError if the example does not fit the input or a model fails on it.
        """
        entries = entry_names(self.settings)
        said = warm_up(self.targets.values(), entries, self.schema, self.settings.input.example)
        self.warm = True
        return said

    def unready_reason(self) -> str:
        """Return why the service takes no requests now; empty if it is ready."""
        if self.stopping:
            return "stopping"
        if not self.warm:
            return "starting"
        return "the event log is full" if self.log.takes_no_more else ""

    def require_room(self) -> None:
        """Raise RequestError (503) if the event log is full and every answer must be logged."""
        if self.log.takes_no_more:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "log_full", "the event log is full",
                retry_after_seconds=5,
            )  # fmt: skip
