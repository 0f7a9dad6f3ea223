"""`POST <basePath>/predict`: takes rows and answers one prediction for each row."""

from __future__ import annotations

from servestack_server.api.content import content_type
from servestack_server.api.endpoint import Endpoint, RequestedJob
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
        self._tails: dict[str, bytes] = {}

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
        tail = self._tails.get(job.model) or self._tail(job)
        request.answer(200, b'{"predictions":%b%b%b"}' % (values_json, tail, request.id_bytes))
        kept = request.kept
        self.log(job, values, kept if kept.__class__ is bytes else b"", values_json)

    def _tail(self, job: RequestedJob) -> bytes:
        """Return the JSON after the predictions: model, version, and the start of the id."""
        names = (encode_json(job.model), encode_json(job.version))
        tail = b',"model":%b,"version":%b,"id":"' % names
        self._tails[job.model] = tail
        return tail
