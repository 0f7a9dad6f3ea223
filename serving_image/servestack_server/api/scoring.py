"""MLflow's scoring protocol: /invocations, /ping, /health, /version.

Source: mlflow/pyfunc/scoring_server/__init__.py of MLflow 3.17.
"""

from __future__ import annotations

from servestack_server.api.content import body_of, media_type, require_json
from servestack_server.api.predict import Endpoint
from servestack_server.api.target import RequestJob
from servestack_server.batching import listed
from servestack_server.http.request import TEXT, Request, encode_json
from servestack_server.input.bodies import Rows, read_csv, read_rows

PROTOCOL_VERSION = "3.17.2"
"""The version of MLflow whose protocol this is; its clients ask for it."""


class InvocationsEndpoint(Endpoint):
    """`{"predictions": […]}` for JSON, or CSV with a line of names."""

    def read(self, request: Request) -> Rows:
        """JSON or CSV, by the content type."""
        if media_type(request) == b"text/csv":
            return read_csv(body_of(request), self.schema)
        require_json(request)
        return read_rows(body_of(request), self.schema)

    def reply(self, job: RequestJob) -> None:
        """As MLflow's own server answers."""
        values = listed(job.outputs)
        job.request.answer(200, b'{"predictions":%b}' % encode_json(values))
        self.service.answered(job, self.path, values)


def version(request: Request) -> None:
    """GET /version."""
    request.answer(200, PROTOCOL_VERSION.encode(), TEXT)
