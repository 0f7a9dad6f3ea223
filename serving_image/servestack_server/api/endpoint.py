"""The base of the predicting routes of all protocols."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from servestack_server.api.content import body_of, content_type
from servestack_server.api.errors import fail
from servestack_server.errors import RequestError
from servestack_server.events.answered import Answered
from servestack_server.http.request import Request
from servestack_server.input.bodies import Rows
from servestack_server.input.content_type import ContentType
from servestack_server.input.language_models import is_chat
from servestack_server.input.params import Params
from servestack_server.input.problems import NoRowsError, too_many_rows
from servestack_server.input.readers import read_body, read_loose_body
from servestack_server.models.model import Form
from servestack_server.prediction.outputs import listed
from servestack_server.prediction.target import RequestJob, Target
from servestack_server.service import Service

RequestedJob = RequestJob[Request]
_LISTED: Any = object()


class Beside(NamedTuple):
    """What a JSON body says beside its rows: its params, and whether a language model is asked.

    `is_frame`: its rows came as a DataFrame, where the route asks for that.
    """

    params: Params | None
    is_chat: bool
    is_frame: bool = False


class Endpoint:
    """Answers predictions for one target. A subclass answers (`reply`), and may read otherwise (`read`).

    `form` is what it asks the model for.
    """

    def __init__(self, service: Service, target: Target, path: str) -> None:
        self.service = service
        self.target = target
        self.path = path
        self.form: Form = "rows"
        self.schema = service.schema
        self.params = service.params
        self._max_rows = service.settings.limits.max_rows
        self._max_body_bytes = service.settings.limits.max_body_bytes
        self._timeout_seconds = service.settings.limits.timeout_seconds
        self._unit_key = service.unit_key

    def __call__(self, request: Request) -> None:
        """Read and check the rows, and submit them to the target, which calls `finish`.

        Raises RequestError for a request that cannot be predicted.
        """
        self.service.require_room()
        try:
            rows = self.read(request)
        except NoRowsError as error:
            self.without_rows(request, error)
            return
        except RequestError as error:
            self.service.inputs.refused(error)
            raise
        self.check_count(rows)
        params = self.params_of(request)
        if self._unit_key is not None:
            request.assigned = self._unit_key.member(self._unit_key.of(request, rows))
        self.target.submit(
            RequestJob(request, rows, self.deadline(request), self.finish, params, self.form)
        )

    def without_rows(self, request: Request, error: NoRowsError) -> None:
        """Answer a request that has no rows, or raise the error, as all protocols but one do."""
        raise error

    def body(self, request: Request) -> bytes:
        """Return the body, decompressed. Raises RequestError as `body_of` does."""
        return body_of(request, self._max_body_bytes)

    def deadline(self, request: Request) -> float:
        """Return when the time of a request is up, in seconds on the clock of its `started`."""
        return request.started + self._timeout_seconds

    def check_count(self, rows: Rows) -> None:
        """Raise RequestError (413) if the request has too many rows."""
        if len(rows) > self._max_rows:
            raise too_many_rows(len(rows), self._max_rows)

    def read(self, request: Request) -> Rows:
        """Return the rows of a request, checked. Raises RequestError.

        The content type says how the body is read: `input.readers` has the forms.
        """
        body = self.body(request)
        return self.read_as(content_type(request, body), body, request)

    def read_as(self, given: ContentType, body: bytes, request: Request) -> Rows:
        """Return the rows of a body, checked, and keep what JSON says beside them."""
        beside = partial(self._keep_beside, request)
        return read_body(body, given, self.schema, self._max_rows, beside)

    def read_loose(self, request: Request) -> list[Any]:
        """Return the rows of a request unchecked, read as `read` does. Raises RequestError."""
        body = self.body(request)
        given, beside = content_type(request, body), partial(self._keep_beside, request)
        return read_loose_body(body, given, self.schema, self._max_rows, beside)

    def _keep_beside(self, request: Request, data: Any) -> None:
        """Take out of a decoded body what is beside its rows. Raises RequestError (422)."""
        params = self.params.taken_from(data) if self.params is not None else None
        request.kept = Beside(params, is_chat(data))

    def params_of(self, request: Request) -> Params | None:
        """Return the params of a request that has been read, with defaults. Raises RequestError."""
        kept = request.kept
        given = kept.params if isinstance(kept, Beside) else None
        return given or (self.params.defaults if self.params is not None else None)

    def reply(self, job: RequestedJob) -> None:
        """Answer a request whose job has outputs, and log what was answered."""
        raise NotImplementedError

    def finish(self, job: RequestedJob) -> None:
        """Answer the job's request with its outputs or its error, unless it has an answer."""
        if job.request.answered:
            return
        if job.error is not None:
            fail(job.request, job.error)
        else:
            self.reply(job)

    def log(self, job: RequestedJob, values: Any = _LISTED) -> None:
        """Log a prediction that was answered, and count its inputs and outputs.

        `values` are the outputs as they were answered; without them the job's are listed, one plain
        value per row.
        """
        service = self.service
        if service.log.takes_predictions:
            request = job.request
            if values is _LISTED:
                values = listed(job.outputs)
            service.log.prediction(
                Answered(
                    request.id_bytes, request.headers.get(b"traceparent"), job.model, job.version,
                    self.path, 200, request.seconds, job.rows, values,
                    job.params.json if self.params is not None and job.params is not None else b"",
                    request.assigned,
                ),
                request,
            )  # fmt: skip
        self.count(job)

    def count(self, job: RequestedJob) -> None:
        """Count the inputs and outputs of an answered job for drift, if that is on."""
        if self.service.drift is not None:
            self.service.drift.count(job.model, job.rows, job.outputs)
