"""`POST <basePath>/predict`: rows in, one prediction for each row out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

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

    A protocol says how a request is read (`read`) and an answer written (`body`).
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
        service = self.service
        if service.takes_no_more:
            raise service.log_is_full()
        try:
            rows = self.read(request)
        except RequestError as error:
            service.input_refused(error)
            raise
        self.check_count(rows)
        self.target.submit(
            RequestJob(request, rows, request.started + self._timeout_seconds, self.finish)
        )

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

    def body(self, job: RequestJob, values: list[Any]) -> bytes:
        """The answer's body."""
        raise NotImplementedError

    def finish(self, job: RequestJob) -> None:
        """Answer, and log what was answered."""
        request = job.request
        if request.answered:
            return
        if job.error is not None:
            request.fail(job.error)
            return
        values = listed(job.outputs)
        try:
            body = self.body(job, values)
        except RequestError as error:
            request.fail(error)
            return
        request.answer(200, body)
        self.service.answered(job, self.path, values)


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

    def finish(self, job: RequestJob) -> None:
        """Answer, and log what was answered with the JSON that is there already."""
        request = job.request
        if request.answered:
            return
        if job.error is not None:
            request.fail(job.error)
            return
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
