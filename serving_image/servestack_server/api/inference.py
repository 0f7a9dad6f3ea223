"""Inference in the Open Inference Protocol (V2) over HTTP.

A table comes as one tensor of shape [rows, columns] if all columns are numbers, or as one tensor of
shape [rows] or [rows, 1] for each column, with the column's name. Source: see tensors.py.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.api.errors import fail
from servestack_server.api.tensors import (
    DTYPES,
    datatype_of,
    from_bytes,
    from_json,
    named_arrays,
    to_bytes,
)
from servestack_server.http.request import Request
from servestack_server.http.response import JSON, encode_json
from servestack_server.input.bodies import Rows, decode_json
from servestack_server.input.problems import invalid, malformed
from servestack_server.input.schema import TableSchema, TensorSchema

_HEADER_LENGTH = b"inference-header-content-length"
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class _Tensor(msgspec.Struct):
    name: str
    shape: Annotated[list[_Size], msgspec.Meta(min_length=1, max_length=16)]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] | None = None


class _Wanted(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Inference(msgspec.Struct):
    """A request. What it leaves out may also be null: clients made from a type send that."""

    inputs: Annotated[list[_Tensor], msgspec.Meta(min_length=1)]
    id: str | None = None
    outputs: list[_Wanted] | None = None
    parameters: dict[str, Any] | None = None


class InferEndpoint(Endpoint):
    """`POST /v2/models/<name>[/versions/<version>]/infer`."""

    def read(self, request: Request) -> Rows:
        """Read tensors as rows. `request.kept` keeps what the answer needs. Raises RequestError."""
        asked, raw = _parse(request, self.body(request))
        arrays = _arrays(asked, raw)
        asked.inputs = []
        request.kept = asked
        return _checked(self._rows(arrays), self.schema)

    def _rows(self, arrays: dict[str, np.ndarray]) -> Any:
        schema = self.schema
        if len({len(array) for array in arrays.values()}) > 1:
            raise invalid("wrong_shape", "the tensors differ in their first axis")
        if not isinstance(schema, TableSchema):
            if len(arrays) != 1:
                raise invalid("wrong_shape", "expected one tensor")
            return next(iter(arrays.values()))
        if schema.ignores_unknown and (known := arrays.keys() & schema.positions.keys()):
            arrays = {name: array for name, array in arrays.items() if name in known}
        if arrays.keys() <= schema.positions.keys():
            columns = {name: _column(name, array) for name, array in arrays.items()}
            return [
                dict(zip(columns, row, strict=True))
                for row in zip(*columns.values(), strict=True)
            ]  # fmt: skip
        if len(arrays) > 1:
            unknown = sorted(arrays.keys() - schema.positions.keys())[0]
            raise invalid("unknown_column", f"there is no column {unknown!r}", field=unknown)
        (array,) = arrays.values()
        if array.ndim == 1 and array.size == len(schema.names):
            array = array.reshape(1, -1)
        return _values(array)

    def reply(self, job: RequestedJob) -> None:
        """Answer with tensors, as raw bytes if the request asks for binary data, else as JSON."""
        request = job.request
        asked: _Inference = request.kept
        raw_default = (asked.parameters or {}).get("binary_data_output") is True
        wanted = {output.name: output.parameters or {} for output in asked.outputs or ()}
        arrays = named_arrays(job.outputs)
        told, raw = [], []
        for name, array in arrays.items():
            if wanted and name not in wanted:
                continue
            tensor: dict[str, Any] = {
                "name": name, "datatype": datatype_of(array), "shape": list(array.shape),
            }  # fmt: skip
            if wanted.get(name, {}).get("binary_data", raw_default):
                data = to_bytes(array)
                tensor["parameters"] = {"binary_data_size": len(data)}
                raw.append(data)
            else:
                tensor["data"] = array.ravel().tolist()
            told.append(tensor)
        if unknown := sorted(wanted.keys() - arrays.keys()):
            fail(
                request,
                invalid("unknown_output", f"there is no output {unknown[0]!r}", field=unknown[0]),
            )
            return
        head = encode_json(
            {
                "model_name": job.model, "model_version": job.version,
                "id": asked.id or request.id, "outputs": told,
            }
        )  # fmt: skip
        if raw:
            headers = b"inference-header-content-length: %d\r\n" % len(head)
            request.answer(200, head + b"".join(raw), b"application/octet-stream", headers)
        else:
            request.answer(200, head, JSON)
        self.log(job, None)


def _parse(request: Request, body: bytes) -> tuple[_Inference, bytes]:
    given = request.headers.get(_HEADER_LENGTH)
    length = len(body)
    if given is not None:
        if not given.isdigit() or len(given) > 12 or int(given) > len(body):
            raise malformed(
                "malformed_header",
                "Inference-Header-Content-Length is not a length within the body",
            )
        length = int(given)
    try:
        return msgspec.convert(decode_json(body[:length]), _Inference), body[length:]
    except msgspec.ValidationError as error:
        raise invalid("invalid_request", str(error)) from None


def _arrays(asked: _Inference, raw: bytes) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    at = 0
    for tensor in asked.inputs:
        if tensor.datatype not in DTYPES:
            raise invalid("wrong_type", f"unknown datatype {tensor.datatype!r}", field=tensor.name)
        if tensor.name in arrays:
            raise invalid("ambiguous", "two tensors have the same name", field=tensor.name)
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            arrays[tensor.name] = from_json(tensor.data, tensor.datatype, tensor.shape, tensor.name)
            continue
        if type(size) is not int or size < 0 or at + size > len(raw):
            raise invalid(
                "wrong_length",
                "binary_data_size is not a length within the binary data",
                field=tensor.name,
            )
        arrays[tensor.name] = from_bytes(
            raw[at : at + size], tensor.datatype, tensor.shape, tensor.name
        )
        at += size
    if at != len(raw):
        raise invalid("wrong_length", f"{len(raw) - at} bytes belong to no tensor")
    return arrays


def _checked(rows: Any, schema: Any) -> Rows:
    if not len(rows):
        raise invalid("no_rows", "there are no rows")
    if isinstance(schema, TensorSchema):
        return schema.from_array(rows)
    if isinstance(rows, np.ndarray):
        rows = rows.tolist()
    return schema.convert(rows)  # type: ignore[no-any-return]


def _column(name: str, array: np.ndarray) -> list[Any]:
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        raise invalid("wrong_shape", "expected the shape [rows] or [rows, 1]", field=name)
    return _values(array.ravel())  # type: ignore[no-any-return]


def _values(array: np.ndarray) -> Any:
    """Return plain values, with None for NaN. JSON cannot hold infinity, so a table cannot either."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        if np.isinf(array).any():
            raise invalid("out_of_range", "a table cannot hold infinity")
        plain = array.astype(object)
        plain[np.isnan(array)] = None
        return plain.tolist()
    return array.tolist()
