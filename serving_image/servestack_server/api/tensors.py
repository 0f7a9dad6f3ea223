"""Tensors of the Open Inference Protocol: JSON or raw bytes behind the JSON header.

Source: https://github.com/kserve/open-inference-protocol (HTTP/REST), and Triton's extension
"binary tensor data": the length of the JSON part is in Inference-Header-Content-Length, and the
raw tensors follow it in order, little-endian, strings with a length of four bytes before each.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from servestack_server.http.response import encode_json
from servestack_server.input.problems import invalid

DTYPES: dict[str, str] = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64", "BYTES": "object",
}  # fmt: skip
"""The protocol's data types and numpy's."""
_BY_DTYPE = {dtype: name for name, dtype in DTYPES.items() if dtype != "object"}


def datatype_of(array: np.ndarray) -> str:
    """The protocol's word for an array's type; BYTES for all that is no number."""
    return _BY_DTYPE.get(array.dtype.name, "BYTES")


def from_json(data: Any, datatype: str, shape: list[int], name: str) -> np.ndarray:
    """An array from nested or flat lists. RequestError where type, count or shape disagree."""
    try:
        array = np.array(data, dtype=DTYPES[datatype])
    except (ValueError, TypeError, OverflowError):
        raise invalid("wrong_type", f"the data is not {datatype}", field=name) from None
    if datatype != "BYTES" and not _is_exact(data, datatype):
        raise invalid("wrong_type", f"the data is not {datatype}", field=name)
    return _shaped(array, shape, name)


def _is_exact(data: Any, datatype: str) -> bool:
    """numpy takes `true` for 1, "5" for 5.0 and 1.5 for 1; a caller who sends them errs."""
    want: tuple[type, ...] = (bool,) if datatype == "BOOL" else (int,)
    if datatype.startswith("FP"):
        want = (int, float)
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif type(value) not in want:
            return False
    return True


def from_bytes(raw: bytes, datatype: str, shape: list[int], name: str) -> np.ndarray:
    """An array from its raw bytes."""
    if datatype == "BYTES":
        return _shaped(np.array(_strings(raw, name), dtype=object), shape, name)
    dtype = np.dtype(DTYPES[datatype]).newbyteorder("<")
    if len(raw) % dtype.itemsize:
        raise invalid("wrong_length", f"{len(raw)} bytes are no whole {datatype}", field=name)
    return _shaped(np.frombuffer(raw, dtype=dtype), shape, name)


def _strings(raw: bytes, name: str) -> list[str]:
    strings, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise invalid("wrong_length", "a length is cut off", field=name)
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise invalid("wrong_length", "a string is cut off", field=name)
        try:
            strings.append(raw[at : at + length].decode())
        except UnicodeDecodeError:
            raise invalid("wrong_type", "a string is not UTF-8", field=name) from None
        at += length
    return strings


def to_bytes(array: np.ndarray) -> bytes:
    """The raw bytes of an array."""
    if datatype_of(array) != "BYTES":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    parts = [str(value).encode() for value in array.ravel()]
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def _shaped(array: np.ndarray, shape: list[int], name: str) -> np.ndarray:
    count = 1
    for size in shape:
        count *= size
    if array.size != count:
        raise invalid(
            "wrong_shape", f"{array.size} values do not make the shape {shape}", field=name
        )
    try:
        return array.reshape(shape)
    except ValueError:  # Empty, and yet too large in some axis.
        raise invalid("wrong_shape", f"the shape {shape} is too large", field=name) from None


def named_arrays(outputs: Any) -> dict[str, np.ndarray]:
    """A model's outputs by name; one without a name is called predictions."""
    if isinstance(outputs, dict):
        return {name: _array(values) for name, values in outputs.items()}
    return {"predictions": _array(outputs)}


def _array(values: Any) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    try:
        array = np.array(values)
    except ValueError:
        array = np.empty(0)
    if len(array) == len(values) and array.dtype.kind in "biuf":
        return array
    texts = np.empty(len(values), dtype=object)
    texts[:] = [
        value if isinstance(value, str) else encode_json(value).decode() for value in values
    ]
    return texts
