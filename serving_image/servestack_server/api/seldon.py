"""The prediction API of Seldon Core 1 over HTTP, where the spec asks for it.

    {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}
    {"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [1, 2]}}}
    {"strData": "…"}    {"binData": "<base64>"}    {"jsonData": …}

Sources: the message SeldonMessage of Seldon's prediction.proto
(https://docs.seldon.ai/seldon-core-1/reference/prediction-apis/prediction), and the answers that
`construct_response_json` of its Python wrapper gives (python/seldon_core/utils.py).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import numpy as np

from servestack_contract.values import from_base64
from servestack_contract.wrong_values import WrongValueError
from servestack_server.api.content import content_type, require_json
from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.api.tensors import Shape, shaped
from servestack_server.http.request import Request
from servestack_server.input.bodies import Rows, decode_json, normalised
from servestack_server.input.forms import Part, read_parts
from servestack_server.input.problems import invalid
from servestack_server.input.raw_bytes import raw_row
from servestack_server.input.schema import Schema, TableSchema
from servestack_server.prediction.outputs import listed


class _Tensor(msgspec.Struct):
    shape: Shape
    values: Annotated[list[float | int | None], msgspec.Meta(min_length=1)]


class _Data(msgspec.Struct):
    names: list[str] | None = None
    tensor: _Tensor | None = None
    ndarray: list[Any] | None = None


class _Meta(msgspec.Struct):
    puid: str | None = None
    tags: dict[str, Any] | None = None


class _Message(msgspec.Struct, rename="camel"):
    """A request. What it leaves out may also be null: clients made from a type send that.

    `bin_data` is base64, or bytes if a form had it as a file.
    """

    data: _Data | None = None
    str_data: str | None = None
    bin_data: Any = None
    json_data: Any = None
    meta: _Meta | None = None


class SeldonEndpoint(Endpoint):
    """`POST …/api/v1.0/predictions`: answers `{"data": {"names": […], "ndarray": […]}, "meta": …}`."""

    def read(self, request: Request) -> Rows:
        """Read a SeldonMessage. `request.kept` keeps what the answer needs. Raises RequestError."""
        body = self.body(request)
        given = content_type(request, body)
        if given.kind == "multipart/form-data":
            plain = _of_form(read_parts(body, given))
        else:
            require_json(request, body)
            plain = decode_json(body)
        try:
            message = msgspec.convert(plain, _Message)
        except msgspec.ValidationError as error:
            raise invalid("invalid_request", str(error)) from None
        rows = _rows(message, self.schema)
        if not rows:
            raise invalid("no_rows", "there are no rows")
        request.kept = message
        return self.schema.convert(rows)

    def reply(self, job: RequestedJob) -> None:
        """Answer as Seldon's Python wrapper does: numbers as a tensor, unless `ndarray` was sent."""
        request = job.request
        message: _Message = request.kept
        values = listed(job.outputs)
        names, rows = _table(job.outputs, values)
        array = _numbers(rows)
        data: dict[str, Any] = {"names": names}
        if array is not None and (message.data is None or message.data.tensor is not None):
            data["tensor"] = {"shape": array.shape, "values": array.ravel()}
        else:
            data["ndarray"] = rows
        asked = message.meta or _Meta()
        meta = {"puid": asked.puid or request.id, "requestPath": {job.model: job.version}}
        if asked.tags:
            meta["tags"] = asked.tags
        request.answer_json(HTTPStatus.OK, {"data": data, "meta": meta})
        self.log(job, values)


def _of_form(parts: list[Part]) -> dict[str, Any]:
    """Return the message of a form: texts and files for strData and binData, else JSON."""
    message: dict[str, Any] = {}
    for part in parts:
        if part.name == "strData":
            message[part.name] = part.text
        elif part.name == "binData" and part.is_file:
            message[part.name] = part.data
        else:
            message[part.name] = decode_json(part.data)
    return message


def _rows(message: _Message, schema: Schema) -> list[Any]:
    """Return the rows of a message, unchecked. Raises RequestError for none, or for two kinds."""
    given = [name for name in _KINDS if getattr(message, name) is not None]
    if len(given) != 1:
        wanted = "data, strData, binData and jsonData"
        raise invalid("invalid_request", f"expected exactly one of {wanted}")
    if message.data is not None:
        return _of_data(message.data, schema)
    if message.str_data is not None:
        return normalised([message.str_data], schema)
    if message.bin_data is not None:
        return [raw_row(_bytes(message.bin_data), schema)]
    return normalised(message.json_data, schema)


_KINDS = ("data", "str_data", "bin_data", "json_data")


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return from_base64(value)
    except (WrongValueError, AttributeError):
        raise invalid("wrong_type", "expected base64", field="binData") from None


def _of_data(data: _Data, schema: Schema) -> list[Any]:
    """Names decide where the model knows its columns, as in every other body here."""
    if (data.tensor is None) == (data.ndarray is None):
        raise invalid("invalid_request", "expected tensor or ndarray", field="data")
    rows: list[Any] = data.ndarray or []
    if data.tensor is not None:
        values = np.array(data.tensor.values, dtype=object)
        rows = shaped(values, data.tensor.shape, "data.tensor").tolist()
    if not data.names or not isinstance(schema, TableSchema):
        return normalised(rows, schema)
    is_flat = not any(isinstance(row, list | dict) for row in rows)
    if is_flat and len(rows) == len(data.names):
        rows = [rows]
    return normalised({"dataframe_split": {"columns": data.names, "data": rows}}, schema)


def _table(outputs: Any, values: list[Any]) -> tuple[list[str], list[Any]]:
    """Return the names and the rows of an answer: the model's own names, or t:0, t:1, …"""
    if isinstance(outputs, dict):
        names = [str(name) for name in outputs]
        return names, [[value[name] for name in outputs] for value in values]
    width = len(values[0]) if isinstance(values[0], list) else 0
    return [f"t:{index}" for index in range(width)], values


def _numbers(rows: list[Any]) -> np.ndarray | None:
    """Return the rows as an array if all of them are numbers, in lists of the same length."""
    try:
        array = np.array(rows)
    except ValueError:
        return None
    return array if array.dtype.kind in "iuf" else None
