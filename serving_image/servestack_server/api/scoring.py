"""MLflow's scoring protocol: /invocations, /ping, /health, /version.

Source: mlflow/pyfunc/scoring_server/__init__.py of MLflow 3.17.
"""

from __future__ import annotations

from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.http.request import Request
from servestack_server.http.response import TEXT, encode_json
from servestack_server.prediction.batcher import listed

PROTOCOL_VERSION = "3.17.2"
"""The version of MLflow whose protocol this is; its clients ask for it."""


class InvocationsEndpoint(Endpoint):
    """`POST /invocations`: answers `{"predictions": […]}`."""

    def reply(self, job: RequestedJob) -> None:
        """Answer in the form of MLflow's own server, which does not wrap a language model's."""
        values = listed(job.outputs)
        kept = job.request.kept
        is_chat = kept is not None and kept.is_chat
        form = b"%b" if is_chat else b'{"predictions":%b}'
        job.request.answer(200, form % encode_json(values))
        self.log(job, values)


def version(request: Request) -> None:
    """GET /version: the version of MLflow whose protocol this is."""
    request.answer(200, PROTOCOL_VERSION.encode(), TEXT)
