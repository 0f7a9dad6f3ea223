"""One service at work: its models, what they answer, and what is told of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from time import perf_counter, time
from typing import Any

import numpy as np

from servestack_contract.artifact import Pin
from servestack_contract.settings import Batching, Events, ServerSettings
from servestack_server.api.graph import GraphTarget, entry_models
from servestack_server.api.inference import describe_outputs
from servestack_server.api.target import ModelTarget, RequestJob, Target
from servestack_server.batching import Batcher, Job, listed
from servestack_server.call_time import CallTime
from servestack_server.errors import RequestError, StartError, first_line
from servestack_server.events.others import OtherEvents
from servestack_server.events.prediction import PredictionEvents
from servestack_server.events.writer import EventWriter
from servestack_server.http.request import Request, new_id
from servestack_server.input.bodies import normalised
from servestack_server.input.schema import Schema, TableSchema
from servestack_server.metrics import ServerMetrics
from servestack_server.models.model import Model

_WARM_UP_CALLS = 5
_OUT_OF_RANGE = ("out_of_range", "not_allowed")


class Service:
    """The models of a service behind its routes. Belongs to the event loop's thread."""

    def __init__(
        self, config: ServerSettings, schema: Schema, models: Sequence[Model],
        metrics: ServerMetrics, events: EventWriter | None,
    ) -> None:  # fmt: skip
        self.config = config
        self.metrics = metrics
        self.events = metrics.events = events
        self.schema = schema
        self.warm = False
        self.stopping = False
        self.receiving: Callable[[], int] = int
        self.output_tensors: dict[str, list[dict[str, Any]]] = {}
        self.targets = {model.name: self._target(model) for model in models}
        self.entries = entry_names(config)
        self.root = self._root()
        self._predictions = PredictionEvents(
            config, pins=[Pin(model.name, model.version, model.digest) for model in models]
        )
        self._others = OtherEvents(config.events or Events(folder="", source=""))
        self._log_predictions = events is not None and self._predictions.is_on
        self._takes_json = self._predictions.takes_json
        self._append = events.append if events is not None else _not_kept
        self._loop_thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        metrics.queue_depth = lambda: sum(t.batcher.depth for t in self.targets.values())
        if config.metrics.drift and isinstance(self.schema, TableSchema):
            metrics.drift_columns = self.schema.names
        self._nullable = [
            (at, name) for at, name in enumerate(metrics.drift_columns)
            if self.schema.columns and (self.schema.columns[at].nullable or not self.schema.columns[at].required)
        ]  # fmt: skip
        for model in models:
            if model.service is not None:
                model.service.emit = self.emit  # type: ignore[attr-defined]

    def _target(self, model: Model) -> ModelTarget:
        batching = self.config.batching
        settings = batching or Batching(max_batch_size=1, max_latency_ms=0)
        metrics = self.metrics.model(model.name, model.version, model.digest)
        return ModelTarget(
            Batcher(
                model,
                metrics,
                max_rows=settings.max_batch_size,
                max_wait_seconds=settings.max_latency_ms / 1000,
                max_queue=self.config.limits.max_queue,
                receiving=lambda: self.receiving(),
            )
        )

    def _root(self) -> Target | None:
        """What answers <basePath>/predict; None for several models without a graph."""
        if self.config.graph is not None:
            columns = getattr(self.schema, "positions", {})
            return GraphTarget(self.config.name, self.config.graph, self.targets, columns)
        if len(self.targets) == 1:
            return next(iter(self.targets.values()))
        return None

    # Start.

    def warm_up(self) -> list[str]:
        """Predict the example with every model, and see how long a call takes.

        Returns what is to be said. StartError when a model fails on the example.
        """
        self._loop = asyncio.get_running_loop()
        said = []
        rows, is_given = self._example()
        for target in self.targets.values():
            if target.name not in self.entries:
                said.append(f"{target.name}: takes another model's answers, not warmed up")
                continue
            if rows is None:
                said.append(f"{target.name}: no example to warm up on; give api.input.example")
                continue
            before = perf_counter()
            try:
                said.append(self._warm_up_model(target, rows))
            except Exception as error:
                if is_given:
                    raise StartError(
                        f"{target.name}: the model fails on the example: {first_line(error)}",
                        "is api.input as the model was trained?",
                    ) from error
                said.append(f"{target.name}: not warmed up: {error}")
            target.batcher.metrics.load_seconds += perf_counter() - before
        self.warm = True
        return said

    def _warm_up_model(self, target: ModelTarget, rows: Any) -> str:
        batcher = target.batcher
        for call in range(_WARM_UP_CALLS):
            job = Job(rows, float("inf"), _ignore)
            batcher.predict_now(job)
            if call == 0:
                self.output_tensors[target.name] = describe_outputs(job.outputs)
                batcher.call_time = CallTime()  # The first call makes what later ones reuse.
        if not batcher.has_owner:
            # A full batch, so that it is known how long one takes.
            batcher.predict_now(Job(_repeated(rows, batcher.max_rows), float("inf"), _ignore))
        seconds = batcher.call_time.expected(1)
        return f"{target.name}: one row takes {seconds * 1000:.3g} ms"

    def _example(self) -> tuple[Any, bool]:
        example = self.config.input.example
        try:
            if example is not None:
                return self.schema.convert(normalised(example, self.schema)), True
        except RequestError as error:
            raise StartError(f"the example does not fit the input: {error.message}") from None
        columns = self.schema.columns or ()
        if columns and all(c.type in ("float", "double", "integer", "long") for c in columns):
            row = [c.enum[0] if c.enum else c.minimum or c.maximum or 0 for c in columns]
            try:
                return self.schema.convert([row]), False
            except RequestError:
                return None, False
        return None, False

    # State.

    def unready_reason(self) -> str:
        """Why no requests should come; empty when they may."""
        if self.stopping:
            return "stopping"
        if not self.warm:
            return "starting"
        return "the event log is full" if self.takes_no_more else ""

    @property
    def takes_no_more(self) -> bool:
        """Whether the log is full and the spec says that nothing is answered unlogged."""
        return self.events is not None and self.events.is_full

    def require_room(self) -> None:
        """RequestError 503 then."""
        if self.takes_no_more:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "log_full", "the event log is full",
                retry_after_seconds=5,
            )  # fmt: skip

    # What is told of requests.

    def answered(
        self, job: RequestJob, path: str, values: list[Any] | None, values_json: bytes = b""
    ) -> None:
        """Log a prediction that was answered, and count its inputs."""
        if self._log_predictions:
            request, line = job.request, None
            if (
                values_json and request.rows_json and self._takes_json
                and b"traceparent" not in request.headers
            ):  # fmt: skip
                seconds = request.seconds
                line = self._predictions.line_of_json(
                    request.id_bytes, job.model, job.version, path, request.started + seconds,
                    seconds, request.rows_json, values_json,
                )  # fmt: skip
            if line is None:
                line = self._prediction_line(job, path, values)
            if line is not None:
                self._append("predictions", line)
        metrics = self.metrics
        if metrics.drift_columns:
            metrics.rows_seen += job.size
            for at, name in self._nullable:
                missing = sum(row[at] is None for row in job.rows)
                metrics.missing_values[name] = metrics.missing_values.get(name, 0) + missing

    def _prediction_line(
        self, job: RequestJob, path: str, values: list[Any] | None
    ) -> bytes | None:
        request = job.request
        return self._predictions.line(
            request.id, time(), traceparent_of(request), job.model, job.version, path, 200,
            request.seconds * 1000, job.rows, listed(job.outputs) if values is None else values,
        )  # fmt: skip

    def input_refused(self, error: RequestError) -> None:
        """Count a value that the input's ranges refuse."""
        if error.code in _OUT_OF_RANGE and error.field in self.metrics.drift_columns:
            outside = self.metrics.input_out_of_range
            outside[error.field] = outside.get(error.field, 0) + 1

    def log_feedback(self, request: Request, request_id: str, feedback: Any, path: str) -> bool:
        """False when the event could not be kept."""
        model, version = self._entry()
        line = self._others.feedback(
            request_id, time(), traceparent_of(request), model, version, path, 202, feedback
        )
        return self._append("feedback", line)

    def log_access(self, request: Request, status: int) -> None:
        """An event for an HTTP request of a counted endpoint."""
        if request.endpoint is None:
            return
        model, version = self._entry()
        line = self._others.access(
            request.id, time(), traceparent_of(request), model, version,
            request.endpoint.path, status, request.seconds * 1000,
        )  # fmt: skip
        self._append("access", line)

    def _entry(self) -> tuple[str, str]:
        """The model that events name where no single one has answered."""
        target = self.root or next(iter(self.targets.values()))
        return target.name, target.version

    def rewarded(self, request_id: str, feedback: Any) -> None:
        """Tell a bandit what became of its choice."""
        if isinstance(self.root, GraphTarget):
            self.root.reward(request_id, feedback)

    def emit(self, name: str, data: Any) -> None:
        """An event of the owner's code, from whichever thread it runs in."""
        if self.events is None or not self.events.wants("custom"):
            return
        model, version = self._entry()
        line = self._others.custom(new_id(), time(), None, model, version, name, data)
        if threading.get_ident() == self._loop_thread:
            self._append("custom", line)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._append, "custom", line)


def entry_names(config: ServerSettings) -> set[str]:
    """The models whose input is the service's."""
    if config.graph is not None:
        return entry_models(config.graph)
    return {place.name for place in config.models}


def traceparent_of(request: Request) -> str | None:
    """The caller's W3C trace context, unchecked."""
    given = request.headers.get(b"traceparent")
    return given.decode("latin-1") if given else None


def _not_kept(kind: str, line: bytes) -> bool:
    return False


def _ignore(job: Job) -> None:
    """Warm-up looks at the job itself."""


def _repeated(rows: Any, count: int) -> Any:
    times = -(-count // len(rows))
    if isinstance(rows, np.ndarray):
        return np.concatenate([rows] * times)[:count]
    return (list(rows) * times)[:count]
