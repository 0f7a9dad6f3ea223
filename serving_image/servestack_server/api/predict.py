"""`POST <basePath>/predict`: rows in, one prediction for each row out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from servestack_server.api.content import body_of, require_json
from servestack_server.api.target import RequestJob, Target
from servestack_server.batching import listed
from servestack_server.errors import RequestError
from servestack_server.http.request import Request, encode_json
from servestack_server.input.bodies import Rows, read_rows

if TYPE_CHECKING:
    from servestack_server.service import Service


class Endpoint:
    """What the predicting routes of all protocols have in common.

    A protocol says how a request is read (`read`) and how it is answered (`reply`).
    """

    def __init__(self, service: Service, target: Target, path: str) -> None:
        self.service = service
        self.target = target
        self.path = path
        self.schema = service.schema
        self._max_rows = service.config.limits.max_rows
        self._timeout_seconds = service.config.limits.timeout_seconds

    def __call__(self, request: Request) -> None:
        """Read, check, and hand to the target; the answer comes from `finish`."""
        self.service.require_room()
        try:
            rows = self.read(request)
        except RequestError as error:
            self.service.input_refused(error)
            raise
        self.check_count(rows)
        self.target.submit(RequestJob(request, rows, self.deadline(request), self.finish))

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

    def reply(self, job: RequestJob) -> None:
        """Answer a request whose job has outputs, and log what was answered."""
        raise NotImplementedError

    def finish(self, job: RequestJob) -> None:
        """Answer what still waits, with the outputs or the error."""
        if job.request.answered:
            return
        if job.error is not None:
            job.request.fail(job.error)
        else:
            self.reply(job)


class PredictEndpoint(Endpoint):
    """The service's own route: `{"predictions": …, "model": …, "version": …, "id": …}`."""

    def __init__(self, service: Service, target: Target, path: str) -> None:
        super().__init__(service, target, path)
        self._tails: dict[str, bytes] = {}

    def read(self, request: Request) -> Rows:
        """JSON in any of its forms."""
        require_json(request)
        body = body_of(request)
        rows = self.schema.decode_fast(body)
        if rows is None or not len(rows):
            return read_rows(body, self.schema)
        if b"\n" not in body and b"\r" not in body:
            request.rows_json = body
        return rows

    def reply(self, job: RequestJob) -> None:
        """Log what is answered with the JSON that is there already."""
        request = job.request
        values = listed(job.outputs)
        values_json = encode_json(values)
        tail = self._tails.get(job.model) or self._tail(job)
        request.answer(200, b'{"predictions":%b%b%b"}' % (values_json, tail, request.id_bytes))
        self.service.answered(job, self.path, values, values_json)

    def _tail(self, job: RequestJob) -> bytes:
        """Who answered, up to the id that feedback refers to."""
        names = (encode_json(job.model), encode_json(job.version))
        tail = b',"model":%b,"version":%b,"id":"' % names
        self._tails[job.model] = tail
        return tail
