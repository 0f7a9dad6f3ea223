"""What predicts: one model, or a graph of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from servestack_server.prediction.batcher import Batcher, Job


class Caller(Protocol):
    """Who asked: headers in lower case, an id of its own, and whether it still waits."""

    @property
    def id(self) -> str: ...
    @property
    def headers(self) -> Mapping[bytes, bytes]: ...
    @property
    def answered(self) -> bool: ...


C = TypeVar("C", bound=Caller)


class RequestJob(Job, Generic[C]):
    """A job that a request waits for. `model` and `version` say who has answered."""

    __slots__ = ("model", "request", "version")

    def __init__(
        self, request: C, rows: Any, deadline: float, finish: Callable[[Any], None]
    ) -> None:
        super().__init__(rows, deadline, finish)
        self.request = request
        self.model = ""
        self.version = ""

    def is_wanted(self) -> bool:
        """False once the request has an answer, or its caller has gone."""
        return not self.request.answered


class Target(Protocol):
    """Takes a job, sets who answers it, and calls its `finish`."""

    name: str
    version: str

    def submit(self, job: RequestJob[Any]) -> None:
        """RequestError when it cannot take the job."""


class ModelTarget:
    """One model and its queue. `example_outputs` is what it gave for the example, None before."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.name = batcher.model.name
        self.version = batcher.model.version
        self.digest = batcher.model.digest
        self.example_outputs: Any = None

    def submit(self, job: RequestJob[Any]) -> None:
        """Queue the job. RequestError 503 when the queue is full."""
        job.model = self.name
        job.version = self.version
        self.batcher.submit(job)
