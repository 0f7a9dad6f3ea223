"""`POST <basePath>/predict`: takes rows and answers one prediction for each row."""

from __future__ import annotations

from servestack_server.api.content import content_type
from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.events.prediction import Served
from servestack_server.http.request import Request
from servestack_server.http.response import encode_any, encode_json
from servestack_server.input.bodies import Rows
from servestack_server.input.content_type import JSON
from servestack_server.prediction.outputs import listed
from servestack_server.prediction.target import Target
from servestack_server.service import Service


class PredictEndpoint(Endpoint):
    """The service's own route: `{"predictions": …, "model": …, "version": …, "id": …}`."""

    def __init__(self, service: Service, target: Target, path: str) -> None:
        super().__init__(service, target, path)
        self._about: dict[str, tuple[bytes, Served]] = {}
        log = service.log
        self._log_quick = log.log_quick
        self._quick_bytes = log.quick_bytes if log.takes_predictions else 0

    def read(self, request: Request) -> Rows:
        """Read any body, a list of lists in JSON fastest. Raises RequestError."""
        body = self.body(request)
        given = content_type(request, body)
        rows = self.schema.decode_fast(body) if given is JSON else None
        if rows is None or not len(rows):
            return self.read_as(given, body, request)
        if b"\n" not in body and b"\r" not in body:
            request.kept = body  # The body is one line of rows, so events can log it as it is.
        return rows

    def reply(self, job: RequestedJob) -> None:
        """Answer with the predictions, and reuse their JSON for the event."""
        request = job.request
        values = listed(job.outputs)
        try:
            values_json = encode_json(values)
        except Exception:  # A value of the owner's model that only the slow way can encode.
            values_json = encode_any(values)
        tail, served = self._about.get(job.model) or self._describe(job)
        request_id = request.id_bytes
        request.answer(200, b'{"predictions":%b%b%b"}' % (values_json, tail, request_id))
        kept = request.kept
        if (
            kept.__class__ is bytes
            and not request.assigned
            and len(kept) + len(values_json) < self._quick_bytes
        ):
            trace = request.headers.get(b"traceparent")
            self._log_quick((request, request_id, trace, served, kept, values_json))
            self.count(job)
        else:
            self.log(job, values)

    def _describe(self, job: RequestedJob) -> tuple[bytes, Served]:
        """Return what is the same for all answers of a model.

        That is the JSON after the predictions, up to the start of the id, and what events name.
        """
        names = (encode_json(job.model), encode_json(job.version))
        tail = b',"model":%b,"version":%b,"id":"' % names
        about = tail, (job.model, job.version, self.path, 200)
        self._about[job.model] = about
        return about
