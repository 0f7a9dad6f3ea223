"""Inference in the Open Inference Protocol (V2) over HTTP. Source: see tensors.py."""

from __future__ import annotations

from typing import Any

from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.api.errors import fail
from servestack_server.api.infer_request import Inference, callers_own, named_inputs, parse
from servestack_server.api.infer_rows import rows_of
from servestack_server.api.tensors import datatype_of, named_arrays, to_bytes
from servestack_server.http.request import Request
from servestack_server.http.response import JSON, encode_any
from servestack_server.input.bodies import Rows
from servestack_server.input.datatypes import BINARY_ONLY
from servestack_server.input.params import Params
from servestack_server.input.problems import invalid
from servestack_server.prediction.target import Target
from servestack_server.service import Service


class InferEndpoint(Endpoint):
    """`POST /v2/models/<name>[/versions/<version>]/infer`."""

    def __init__(self, service: Service, target: Target, path: str) -> None:
        super().__init__(service, target, path)
        self.form = "named"

    def read(self, request: Request) -> Rows:
        """Read tensors as rows. `request.kept` keeps what the answer needs. Raises RequestError."""
        asked, raw = parse(request, self.body(request))
        arrays = named_inputs(asked, raw)
        asked.release()
        request.kept = asked
        return rows_of(arrays, self.schema)

    def params_of(self, request: Request) -> Params | None:
        """Return the params among the request's parameters. Raises RequestError."""
        return self.params.known(request.kept.parameters) if self.params is not None else None

    def reply(self, job: RequestedJob) -> None:
        """Answer with tensors, as raw bytes if the request asks for binary data, else as JSON."""
        request = job.request
        asked: Inference = request.kept
        raw_default = (asked.parameters or {}).get("binary_data_output") is True
        wanted = {output.name: output.parameters or {} for output in asked.outputs or ()}
        arrays = named_arrays(job.outputs)
        told: list[dict[str, Any]] = []
        raw = []
        for name, array in arrays.items():
            if wanted and name not in wanted:
                continue
            datatype = datatype_of(array)
            tensor: dict[str, Any] = {
                "name": name, "datatype": datatype, "shape": list(array.shape),
            }  # fmt: skip
            if not told:
                tensor |= callers_own(asked.inputs[0].parameters)
            if wanted.get(name, {}).get("binary_data", raw_default):
                data = to_bytes(array)
                tensor["parameters"] = {
                    **tensor.get("parameters", {}),
                    "binary_data_size": len(data),
                }
                raw.append(data)
            elif datatype in BINARY_ONLY:
                message = (
                    f"{datatype} is not given as JSON: ask for binary data (`binary_data`: true)"
                )
                fail(request, invalid("binary_only", message, field=name))
                return
            else:
                tensor["data"] = array.ravel().tolist()
            told.append(tensor)
        if unknown := sorted(wanted.keys() - arrays.keys()):
            fail(
                request,
                invalid("unknown_output", f"there is no output {unknown[0]!r}", field=unknown[0]),
            )
            return
        head = encode_any(
            {
                "model_name": job.model, "model_version": job.version,
                "id": asked.id or request.id, **callers_own(asked.parameters), "outputs": told,
            }
        )  # fmt: skip
        if raw:
            headers = b"inference-header-content-length: %d\r\n" % len(head)
            request.answer(200, head + b"".join(raw), b"application/octet-stream", headers)
        else:
            request.answer(200, head, JSON)
        self.log(job)
