"""MLflow's scoring protocol: /invocations, /ping, /health, /version.

Source: mlflow/pyfunc/scoring_server/__init__.py of MLflow 3.17.
"""

from __future__ import annotations

from servestack_server.api.content import media_type, require_json
from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.http.request import Request
from servestack_server.http.response import TEXT, encode_json
from servestack_server.input.bodies import Rows, read_csv, read_rows
from servestack_server.prediction.batcher import listed

PROTOCOL_VERSION = "3.17.2"
"""The version of MLflow whose protocol this is; its clients ask for it."""


class InvocationsEndpoint(Endpoint):
    """`{"predictions": […]}` for JSON, or CSV with a line of names."""

    def read(self, request: Request) -> Rows:
        """JSON or CSV, by the content type."""
        if media_type(request) == b"text/csv":
            return read_csv(self.body(request), self.schema)
        require_json(request)
        return read_rows(self.body(request), self.schema)

    def reply(self, job: RequestedJob) -> None:
        """As MLflow's own server answers."""
        values = listed(job.outputs)
        job.request.answer(200, b'{"predictions":%b}' % encode_json(values))
        self.log(job, values)


def version(request: Request) -> None:
    """GET /version."""
    request.answer(200, PROTOCOL_VERSION.encode(), TEXT)
