"""What the predicting routes of all protocols have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from servestack_server.api.content import body_of
from servestack_server.api.errors import fail
from servestack_server.errors import RequestError
from servestack_server.events.answered import Answered
from servestack_server.http.request import Request
from servestack_server.input.bodies import Rows
from servestack_server.prediction.batcher import listed
from servestack_server.prediction.target import RequestJob, Target
from servestack_server.service import Service

RequestedJob = RequestJob[Request]


class Endpoint:
    """A protocol says how a request is read (`read`) and how it is answered (`reply`)."""

    def __init__(self, service: Service, target: Target, path: str) -> None:
        self.service = service
        self.target = target
        self.path = path
        self.schema = service.schema
        self._max_rows = service.settings.limits.max_rows
        self._max_body_bytes = service.settings.limits.max_body_bytes
        self._timeout_seconds = service.settings.limits.timeout_seconds

    def __call__(self, request: Request) -> None:
        """Read, check, and hand to the target; the answer comes from `finish`."""
        self.service.require_room()
        try:
            rows = self.read(request)
        except RequestError as error:
            self.service.inputs.refused(error)
            raise
        self.check_count(rows)
        self.target.submit(RequestJob(request, rows, self.deadline(request), self.finish))

    def body(self, request: Request) -> bytes:
        """The body of a request, decompressed within the limit for bodies. RequestError."""
        return body_of(request, self._max_body_bytes)

    def deadline(self, request: Request) -> float:
        """When the time of a request is up, on the clock of its `started`."""
        return request.started + self._timeout_seconds

    def check_count(self, rows: Rows) -> None:
        """RequestError 413 for more rows than one request may have."""
        if len(rows) > self._max_rows:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_many_rows",
                f"{len(rows):,} rows are more than {self._max_rows:,}",
            )

    def read(self, request: Request) -> Rows:
        """The rows of a request."""
        raise NotImplementedError

    def reply(self, job: RequestedJob) -> None:
        """Answer a request whose job has outputs, and log what was answered."""
        raise NotImplementedError

    def finish(self, job: RequestedJob) -> None:
        """Answer what still waits, with the outputs or the error."""
        if job.request.answered:
            return
        if job.error is not None:
            fail(job.request, job.error)
        else:
            self.reply(job)

    def log(
        self, job: RequestedJob, values: list[Any] | None, rows_json: bytes = b"",
        values_json: bytes = b"",
    ) -> None:  # fmt: skip
        """Log a prediction that was answered, and count its inputs.

        `values` is the answer, one value a row; None to take it from the job. The two texts are
        the rows and the values as JSON, where that is there already.
        """
        service = self.service
        if service.log.takes_predictions:
            request = job.request
            if values is None:
                values = listed(job.outputs)
            service.log.prediction(
                Answered(
                    request.id_bytes, request.headers.get(b"traceparent"), job.model, job.version,
                    self.path, 200, request.started + request.seconds, request.seconds, job.rows,
                    values, rows_json, values_json,
                )
            )  # fmt: skip
        if service.inputs.is_on:
            service.inputs.count(job.rows, job.size)
