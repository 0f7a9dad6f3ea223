"""What predicts: one model, or a graph of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from servestack_server.models.model import Form
from servestack_server.prediction.batcher import Batcher, Job

if TYPE_CHECKING:
    from servestack_server.input.params import Params


class Caller(Protocol):
    """The request behind a job: its id, its headers by lower-case name, and whether it is done.

    `assigned` is JSON for its events: the members that say which variant it was assigned to.
    """

    assigned: bytes

    @property
    def id(self) -> str: ...
    @property
    def headers(self) -> Mapping[bytes, bytes]: ...
    @property
    def answered(self) -> bool: ...


C = TypeVar("C", bound=Caller)


class RequestJob(Job, Generic[C]):
    """A job that a request waits for. `model` and `version` name what answered."""

    __slots__ = ("model", "request", "version")

    def __init__(
        self, request: C, rows: Any, deadline: float, finish: Callable[[Any], None],
        params: Params | None = None, form: Form = "rows",
    ) -> None:  # fmt: skip
        super().__init__(rows, deadline, finish, params, form)
        self.request = request
        self.model = ""
        self.version = ""

    @property
    def request_id(self) -> str:
        """Id of the request."""
        return self.request.id

    def is_wanted(self) -> bool:
        """Return False once the request has an answer, or its caller has gone."""
        return not self.request.answered


class Target(Protocol):
    """Takes a job, sets its `model` and `version`, and calls its `finish`."""

    name: str
    version: str

    def submit(self, job: RequestJob[Any]) -> None:
        """Take the job. Raises RequestError if it cannot."""


class ModelTarget:
    """One model and its queue.

    `example_outputs` are the model's outputs for the example, and `example_named` the same by name;
    None until warm-up has run, or where the model has none.
    """

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.name = batcher.model.name
        self.version = batcher.model.version
        self.digest = batcher.model.digest
        self.example_outputs: Any = None
        self.example_named: Any = None

    def submit(self, job: RequestJob[Any]) -> None:
        """Queue the job. Raises RequestError (503) if the queue is full."""
        job.model = self.name
        job.version = self.version
        self.batcher.submit(job)
