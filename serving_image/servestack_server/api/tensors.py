"""Tensors of the Open Inference Protocol: as JSON, or as raw bytes after the JSON part.

Source: https://github.com/kserve/open-inference-protocol (HTTP/REST), and Triton's extension
"binary tensor data": the length of the JSON part is in Inference-Header-Content-Length, and the
raw tensors follow it in order, little-endian. Each string has its length before it, in four bytes.
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
"""The protocol's data types, and numpy's dtype for each."""
_BY_DTYPE = {dtype: name for name, dtype in DTYPES.items() if dtype != "object"}


def datatype_of(array: np.ndarray) -> str:
    """Return the protocol's data type of an array; BYTES if it is neither a number nor a boolean."""
    return _BY_DTYPE.get(array.dtype.name, "BYTES")


def from_json(data: Any, datatype: str, shape: list[int], name: str) -> np.ndarray:
    """Make an array from nested or flat lists.

    `name` is the tensor's, for messages. Raises RequestError (422) if the values do not fit the type
    or the shape.
    """
    try:
        with np.errstate(over="raise"):
            array = np.array(data, dtype=DTYPES[datatype])
    except (OverflowError, FloatingPointError):
        message = f"a number is out of the range of {datatype}"
        raise invalid("out_of_range", message, field=name) from None
    except (ValueError, TypeError):
        raise invalid("wrong_type", f"the data is not {datatype}", field=name) from None
    if datatype != "BYTES" and not _is_exact(data, datatype):
        raise invalid("wrong_type", f"the data is not {datatype}", field=name)
    return _shaped(array, shape, name)


def _is_exact(data: Any, datatype: str) -> bool:
    """Whether each value has the declared type. numpy would read `true` as 1, "5" as 5.0 and 1.5
    as 1, which hides a caller's mistake."""
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
    """Make an array from its raw bytes, which are little-endian.

    Raises RequestError (422) if the bytes do not fit the type or the shape.
    """
    if datatype == "BYTES":
        return _shaped(np.array(_strings(raw, name), dtype=object), shape, name)
    dtype = np.dtype(DTYPES[datatype]).newbyteorder("<")
    if len(raw) % dtype.itemsize:
        raise invalid("wrong_length", f"{len(raw)} bytes do not divide into {datatype}", field=name)
    return _shaped(np.frombuffer(raw, dtype=dtype), shape, name)


def _strings(raw: bytes, name: str) -> list[str]:
    strings, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise invalid("wrong_length", "the length of a string is cut off", field=name)
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
    """Return the raw bytes of an array, little-endian."""
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
    if not count and shape[0]:
        # A request of a hundred bytes could make the server hold a list for each of 2**31 rows.
        raise invalid("wrong_shape", "the tensor has rows without values", field=name)
    try:
        return array.reshape(shape)
    except ValueError:  # The array is empty, but another axis is too large.
        raise invalid("wrong_shape", f"the shape {shape} is too large", field=name) from None


def named_arrays(outputs: Any) -> dict[str, np.ndarray]:
    """Return a model's outputs by name. An output without a name is called predictions."""
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
