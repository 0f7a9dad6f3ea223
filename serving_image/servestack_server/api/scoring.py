"""MLflow's scoring protocol: /invocations, /ping, /health, /version.

Source: mlflow/pyfunc/scoring_server/__init__.py of MLflow 3.17.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from servestack_server.api.endpoint import Beside, Endpoint, RequestedJob
from servestack_server.http.request import Request
from servestack_server.http.response import TEXT, encode_any
from servestack_server.input.bodies import Rows
from servestack_server.input.content_type import ContentType
from servestack_server.input.params import NO_PARAMS, Params
from servestack_server.input.problems import NoRowsError
from servestack_server.prediction.outputs import listed
from servestack_server.prediction.target import ModelTarget, Target
from servestack_server.service import Service

PROTOCOL_VERSION = "3.17.2"
"""The version of MLflow whose protocol this is; its clients ask for it."""


class InvocationsEndpoint(Endpoint):
    """`POST /invocations`: answers `{"predictions": …}`.

    Of code of the owner's and of ONNX models it takes the whole answer, in the form of MLflow's own
    server. With `by_row` it is KServe's V1 protocol: one value per row of ONNX models, and an empty
    list of predictions for an empty list of rows.
    """

    def __init__(
        self, service: Service, target: Target, path: str, *, by_row: bool = False
    ) -> None:
        super().__init__(service, target, path)
        whole = target.batcher.model.whole if isinstance(target, ModelTarget) else None
        if whole is not None and not (whole.by_row and by_row):
            self.form = "whole"
        self._by_name = self.form == "whole" and whole is not None and whole.by_row
        self._by_row = by_row

    def read_as(self, given: ContentType, body: bytes, request: Request) -> Rows:
        """Read the body. MLflow's server makes a DataFrame of CSV."""
        if self._by_name and given.kind == "text/csv":
            request.kept = Beside(None, is_chat=False, is_frame=True)
        return super().read_as(given, body, request)

    def _keep_beside(self, request: Request, data: Any) -> None:
        """Keep also whether MLflow's server makes a DataFrame of these rows."""
        super()._keep_beside(request, data)
        if self._by_name and isinstance(data, dict):
            is_frame = any(key.startswith("dataframe_") for key in data)
            request.kept = request.kept._replace(is_frame=is_frame)

    def params_of(self, request: Request) -> Params | None:
        """Return the params of a request. MLflow's server gives a language model none of them as an
        empty mapping, and None to any other model."""
        params = super().params_of(request)
        kept = request.kept
        return NO_PARAMS if params is None and kept is not None and kept.is_chat else params

    def without_rows(self, request: Request, error: NoRowsError) -> None:
        """Answer an empty list by row: KServe's V1 protocol has one prediction for each instance."""
        if not self._by_row:
            raise error
        job = RequestedJob(request, [], self.deadline(request), self.finish)
        job.model, job.version, job.outputs = self.target.name, self.target.version, []
        request.answer(200, b'{"predictions":[]}')
        self.log(job)

    def reply(self, job: RequestedJob) -> None:
        """Answer in the form of MLflow's own server, which does not wrap a language model's."""
        values = self._values(job)
        kept = job.request.kept
        is_chat = kept is not None and kept.is_chat
        form = b"%b" if is_chat else b'{"predictions":%b}'
        job.request.answer(200, form % encode_any(values))
        self.log(job, msgspec.Raw(b"null") if values is None else values)

    def _values(self, job: RequestedJob) -> Any:
        if self.form == "rows":
            return listed(job.outputs)
        if not self._by_name:
            return job.outputs
        kept = job.request.kept
        is_frame = kept is not None and kept.is_frame and not self.service.is_input_declared
        if self.schema.columns is not None or is_frame:
            return listed({name: _flat(values) for name, values in job.outputs.items()})
        return {name: listed(values) for name, values in job.outputs.items()}


def _flat(values: Any) -> Any:
    """Return an array of shape (rows, 1) as (rows,). Source: mlflow.onnx of MLflow 3.17."""
    is_column = isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1
    return values.reshape(-1) if is_column else values


def version(request: Request) -> None:
    """GET /version: the version of MLflow whose protocol this is."""
    request.answer(200, PROTOCOL_VERSION.encode(), TEXT)
