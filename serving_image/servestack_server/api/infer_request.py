"""Parses a request of the Open Inference Protocol (V2) into named arrays. Source: tensors.py."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from servestack_server.api.tensors import (
    Shape,
    from_bytes,
    from_json,
    with_content_type,
)
from servestack_server.http.request import Request
from servestack_server.input.bodies import decode_json
from servestack_server.input.datatypes import BINARY_ONLY, DTYPES
from servestack_server.input.problems import invalid, malformed

_HEADER_LENGTH = b"inference-header-content-length"


class Tensor(msgspec.Struct):
    """An input tensor. `data` is missing where its bytes follow the JSON."""

    name: str
    shape: Shape
    datatype: str
    data: Any = None
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct):
    """An output that the request asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Inference(msgspec.Struct):
    """A request. What it leaves out may also be null: clients made from a type send that."""

    inputs: Annotated[list[Tensor], msgspec.Meta(min_length=1)]
    id: str | None = None
    outputs: list[Wanted] | None = None
    parameters: dict[str, Any] | None = None

    def release(self) -> None:
        """Forget the tensors, of which the answer needs no more than the first one's parameters."""
        del self.inputs[1:]
        self.inputs[0].data = None


_OF_ENCODING = frozenset({
    "binary_data", "binary_data_output", "binary_data_size", "content_type", "headers",
})  # fmt: skip
"""Parameters that say how a request is written, or what its answer is to be like."""


def callers_own(parameters: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return the parameters that go back to the caller as members of an answer; none if there are none.

    KServe's servers leave this to a model; the ones of its tests send all of them back.
    """
    own = {key: value for key, value in (parameters or {}).items() if key not in _OF_ENCODING}
    return {"parameters": own} if own else {}


def parse(request: Request, body: bytes) -> tuple[Inference, bytes]:
    """Return the JSON part of a body, and the bytes that follow it.

    Raises RequestError: 400 for a body that is not JSON or a wrong length, 422 for another request.
    """
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
        return msgspec.convert(decode_json(body[:length]), Inference), body[length:]
    except msgspec.ValidationError as error:
        raise invalid("invalid_request", str(error)) from None


def named_inputs(asked: Inference, raw: bytes) -> dict[str, np.ndarray]:
    """Return the input tensors by name; elements of BYTES as `tensors.with_content_type` says.

    Raises RequestError (422) for a tensor that contradicts itself or another.
    """
    default = (asked.parameters or {}).get("content_type")
    arrays: dict[str, np.ndarray] = {}
    at = 0
    for tensor in asked.inputs:
        if tensor.datatype not in DTYPES:
            raise invalid("wrong_type", f"unknown datatype {tensor.datatype!r}", field=tensor.name)
        if tensor.name in arrays:
            raise invalid("ambiguous", "two tensors have the same name", field=tensor.name)
        parameters = tensor.parameters or {}
        size = parameters.get("binary_data_size")
        if size is None and tensor.datatype in BINARY_ONLY:
            message = f"{tensor.datatype} is not sent as JSON: send binary data, or FP32"
            raise invalid("binary_only", message, field=tensor.name)
        if size is None:
            array = from_json(tensor.data, tensor.datatype, tensor.shape, tensor.name)
        else:
            if type(size) is not int or size < 0 or at + size > len(raw):
                raise invalid(
                    "wrong_length",
                    "binary_data_size is not a length within the binary data",
                    field=tensor.name,
                )
            array = from_bytes(raw[at : at + size], tensor.datatype, tensor.shape, tensor.name)
            at += size
        content_type = parameters.get("content_type", default)
        arrays[tensor.name] = with_content_type(array, content_type, tensor.name)
    if at != len(raw):
        raise invalid("wrong_length", f"{len(raw) - at} bytes belong to no tensor")
    return arrays
